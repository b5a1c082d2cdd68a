import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CheckpointHeader,
  type Row,
  encodeCheckpoint,
  openCheckpoint,
} from '../../../../streams/checkpoints/checkpoint-format.ts';

const HEADER: CheckpointHeader = { store: 's-0', topic: 'changelog', partition: 3, offset: 2 ** 40, takenAtMs: 5 };

const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const rows = fc.array(fc.record<Row>({ key: bytes, value: bytes }, { noNullPrototype: true }), { maxLength: 30 });

async function* each<T>(of: Iterable<T>): AsyncIterable<T> {
  for (const one of of) yield await Promise.resolve(one);
}

async function encode(of: Iterable<Row>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of encodeCheckpoint(HEADER, each(of))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @param size bytes of a chunk */
async function decode(file: Buffer, size: number): Promise<{ header: CheckpointHeader; rows: Row[] }> {
  const chunks = Array.from({ length: Math.ceil(file.length / size) }, (_, at) =>
    file.subarray(at * size, (at + 1) * size),
  );
  const { header, blocks } = await openCheckpoint('c', each(chunks));
  const found: Row[] = [];
  for await (const block of blocks) found.push(...block);
  return { header, rows: found };
}

test('rows come back as they were, in chunks of any size', async () => {
  await fc.assert(
    fc.asyncProperty(rows, fc.integer({ min: 1, max: 300 }), async (of, size) => {
      assert.deepEqual(await decode(await encode(of), size), { header: HEADER, rows: of });
    }),
  );
});

test('many blocks, and a row larger than a block', async () => {
  const of = function* (): Iterable<Row> {
    for (let at = 0; at < 40_000; at += 1) yield { key: Buffer.from(`key ${at}`), value: Buffer.alloc(60, at) };
    yield { key: Buffer.from('large'), value: Buffer.alloc(5_000_000, 'x') };
    yield { key: Buffer.from('last'), value: Buffer.alloc(0) };
  };
  const file = await encode(of());
  const decoded = await decode(file, 65_536);
  assert.deepEqual(decoded.rows, [...of()]);
});

test('a file that is torn anywhere, has any bit turned, or goes on, is refused', async () => {
  await fc.assert(
    fc.asyncProperty(rows, fc.nat(), fc.nat(7), async (of, place, bit) => {
      const file = await encode(of);
      const at = place % file.length;
      const refused = { name: 'Failure', code: 'undecodable_record', message: /^The checkpoint c / };
      await assert.rejects(decode(file.subarray(0, at), 64), refused);
      const turned = Buffer.from(file);
      turned.writeUInt8(turned.readUInt8(at) ^ (1 << bit), at);
      await assert.rejects(decode(turned, 64), refused);
      await assert.rejects(decode(Buffer.concat([file, file.subarray(0, 1 + at)]), 64), refused);
    }),
    { numRuns: 300 },
  );
});

test('blocks that are missing, doubled or out of place are refused', async () => {
  const of = function* (): Iterable<Row> {
    for (let at = 0; at < 6; at += 1) yield { key: Buffer.from([at]), value: Buffer.alloc(1_048_576, at) };
  };
  const parts: Buffer[] = [];
  for await (const chunk of encodeCheckpoint(HEADER, each(of()))) parts.push(chunk);
  // the file's beginning, six blocks, the end
  assert.equal(parts.length, 8);
  const [head, ...blocks] = parts;
  const end = blocks.pop();
  const join = (...middle: (Buffer | undefined)[]): Buffer =>
    Buffer.concat([head, ...middle, end].filter((part) => part !== undefined));
  assert.equal((await decode(join(...blocks), 4096)).rows.length, 6);
  const [a, b, c, ...rest] = blocks;
  for (const wrong of [[a, c, ...rest], [b, a, c, ...rest], [a, a, b, c, ...rest], []])
    await assert.rejects(decode(join(...wrong), 4096), { code: 'undecodable_record' });
});
