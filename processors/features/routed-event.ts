// The internal record of a view's repartition topic: what the window needs of one source event, in a fixed binary layout.
//
//   version u8 (1) | lane i32 | event time f64 (epoch ms) | source offset f64 | n × f64 (one per feature field, NaN for null)
//
// The lane is the partition of the source topic that the event came from; its key is the entity key.
import { Failure } from '../../schemas/failure.ts';
import { type SourceEvent } from './window.ts';

const VERSION = 1;
const FIXED_BYTES = 21;

export function encodeRouted(event: SourceEvent): Buffer {
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + 8 * event.values.length);
  bytes[0] = VERSION;
  bytes.writeInt32LE(event.sourcePartition, 1);
  bytes.writeDoubleLE(event.eventTimeMs, 5);
  bytes.writeDoubleLE(event.sourceOffset, 13);
  for (let index = 0; index < event.values.length; index += 1)
    bytes.writeDoubleLE(event.values[index] ?? Number.NaN, FIXED_BYTES + 8 * index);
  return bytes;
}

/** @throws Failure `undecodable_record` */
export function decodeRouted(bytes: Buffer): SourceEvent {
  if (bytes[0] !== VERSION || (bytes.length - FIXED_BYTES) % 8 !== 0) {
    throw new Failure('undecodable_record', 'The record of the repartition topic has an unknown layout.');
  }
  const values: (number | null)[] = [];
  for (let at = FIXED_BYTES; at < bytes.length; at += 8) {
    const value = bytes.readDoubleLE(at);
    values.push(Number.isNaN(value) ? null : value);
  }
  return {
    sourcePartition: bytes.readInt32LE(1),
    eventTimeMs: bytes.readDoubleLE(5),
    sourceOffset: bytes.readDoubleLE(13),
    values,
  };
}
