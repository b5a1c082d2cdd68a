// The codecs of Kafka's record batches (KIP-110, KIP-57): what Java's and librdkafka's producers write.
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { lz4Decompress, snappyDecompress } from '@platformatic/wasm-utils';
import { Failure } from '../schemas/failure.ts';

/** The lowest bits of a batch's attributes. */
const CODEC_MASK = 0x07;

const CODECS: readonly { readonly name: string; decompress(body: Buffer): Buffer }[] = [
  { name: 'none', decompress: (body) => body },
  { name: 'gzip', decompress: (body) => gunzipSync(body) },
  { name: 'snappy', decompress: snappy },
  { name: 'lz4', decompress: lz4Decompress },
  { name: 'zstd', decompress: (body) => zstdDecompressSync(body) },
];

/**
 * The records of a batch as they were before compression.
 * @param place for the message
 * @throws Failure `undecodable_record` naming the codec, when it is none of Kafka's or the body is broken
 */
export function decompressed(body: Buffer, attributes: number, place: string): Buffer {
  const number = attributes & CODEC_MASK;
  const codec = CODECS[number];
  if (codec === undefined)
    throw new Failure(
      'undecodable_record',
      `${place} holds a batch compressed with codec ${number}, which Kafka has not.`,
      {
        fix: `Produce uncompressed or with ${CODECS.slice(1)
          .map(({ name }) => name)
          .join(', ')}.`,
      },
    );
  try {
    return codec.decompress(body);
  } catch (cause) {
    throw new Failure(
      'undecodable_record',
      `${place} holds a batch whose ${codec.name} body is broken: ${String(cause)}.`,
      {
        fix: 'The checksum was right, so it was broken when it was produced: mend the producer, and delete the batch (kafka-delete-records).',
        cause,
      },
    );
  }
}

/** Java writes blocks behind a header (the xerial format); librdkafka one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** magic, version i32, oldest compatible version i32 */
const XERIAL_HEADER_BYTES = 16;

function snappy(body: Buffer): Buffer {
  if (!body.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyDecompress(body);
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < body.length;) {
    const start = at + 4;
    const end = start + body.readInt32BE(at);
    if (end < start || end > body.length) throw new Error(`a block of ${end - start} bytes at ${at} of ${body.length}`);
    blocks.push(snappyDecompress(body.subarray(start, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}
