// The value of an internal topic's record: which upstream task wrote it (its lane), the event time, and the value itself.
//
//   kind u8: 1 with a value, 2 a deletion | lane i32 | event time f64 (epoch ms) | value
import { Failure } from '../../schemas/failure.ts';

const WITH_VALUE = 1;
const DELETION = 2;
const HEAD_BYTES = 13;

export function encodeInternal(lane: number, eventTimeMs: number, value: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + value.length);
  writeHead(bytes, WITH_VALUE, lane, eventTimeMs);
  value.copy(bytes, HEAD_BYTES);
  return bytes;
}

/** The key has no row any more: a value all the same, since the lane and the time must be told. */
export function encodeInternalDeletion(lane: number, eventTimeMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES);
  writeHead(bytes, DELETION, lane, eventTimeMs);
  return bytes;
}

function writeHead(bytes: Buffer, kind: number, lane: number, eventTimeMs: number): void {
  bytes[0] = kind;
  bytes.writeInt32LE(lane, 1);
  bytes.writeDoubleLE(eventTimeMs, 5);
}

/** @throws Failure `undecodable_record` */
export function decodeInternal(bytes: Buffer): { lane: number; eventTimeMs: number; value: Buffer | null } {
  const isDeletion = bytes[0] === DELETION;
  if ((bytes[0] !== WITH_VALUE && !isDeletion) || bytes.length < HEAD_BYTES)
    throw new Failure('undecodable_record', 'The record of an internal topic has an unknown layout.');
  return {
    lane: bytes.readInt32LE(1),
    eventTimeMs: bytes.readDoubleLE(5),
    value: isDeletion ? null : bytes.subarray(HEAD_BYTES),
  };
}
