// Upstream values are Avro in the Confluent frame or JSON text; the first byte tells which.
import { type AvroReader } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';

const OPENING_BRACE = 0x7b;

/** @throws Failure `undecodable_record` */
export function decodeValue(reader: AvroReader, value: Buffer | null): unknown {
  if (value === null || value.length === 0) {
    throw new Failure('undecodable_record', 'The record has no value.', {
      fix: 'Produce the event as Avro (Confluent frame) or JSON.',
    });
  }
  if (value[0] !== OPENING_BRACE) return reader.decode(value).value;
  try {
    return JSON.parse(value.toString());
  } catch (cause) {
    throw new Failure('undecodable_record', `The value starts like JSON but is none: ${String(cause)}.`, {
      fix: 'Produce valid JSON.',
      cause,
    });
  }
}
