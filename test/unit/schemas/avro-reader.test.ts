// What reading does with schemas that are not there, or cannot be read: those records are refused, and only they.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AvroCodec, AvroReader, type AvroSchema, type SchemaRegistry } from '../../../schemas/codec.ts';
import { Failure } from '../../../schemas/failure.ts';

const visit: AvroSchema = { type: 'record', name: 'Visit', fields: [{ name: 'page', type: 'string' }] };

class Registry implements SchemaRegistry {
  readonly schemas = new Map<number, AvroSchema>();
  readonly asked: number[] = [];
  failure: Failure | null = null;

  register(): Promise<number> {
    throw new Error('nothing is registered here');
  }

  async schemaOf(id: number): Promise<AvroSchema> {
    this.asked.push(id);
    if (this.failure !== null) throw this.failure;
    const schema = this.schemas.get(id);
    if (schema === undefined) throw new Failure('undecodable_record', `Schema ${id} is not in the registry.`);
    return schema;
  }
}

function framed(id: number, ...body: number[]): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.writeUInt32BE(id, 1);
  Buffer.from(body).copy(bytes, 5);
  return bytes;
}

/** avsc gives objects of classes of its own. */
const read = (reader: AvroReader, value: Buffer): object => ({ ...(reader.decode(value).value as object) });

const refusedBecause =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof Failure && error.code === 'undecodable_record' && words.test(error.advice) && error.fix !== '';

test('a record with an unknown schema is refused, its neighbours are read', async () => {
  const registry = new Registry();
  registry.schemas.set(1, visit);
  const reader = new AvroReader(registry);
  const good = new AvroCodec(1, visit).encode({ page: 'home' });
  await reader.prepare([framed(77), good, framed(77), null, Buffer.from([0, 1])]);
  assert.deepEqual(registry.asked, [77, 1], 'each id is asked for once a call');
  assert.equal(reader.decode(good).name, 'Visit');
  assert.deepEqual(read(reader, good), { page: 'home' });
  assert.throws(() => reader.decode(framed(78)), refusedBecause(/Schema 78 is not in the registry/));
  assert.throws(
    () => reader.decode(framed(77)),
    (error: unknown) => error instanceof Failure && error.code === 'undecodable_record',
  );
});

test('a schema that is registered later is found then', async () => {
  const registry = new Registry();
  const reader = new AvroReader(registry);
  const value = new AvroCodec(5, visit).encode({ page: 'late' });
  await reader.prepare([value]);
  assert.throws(() => reader.decode(value));
  registry.schemas.set(5, visit);
  await reader.prepare([value]);
  assert.deepEqual(read(reader, value), { page: 'late' });
});

test('a schema that is no record, or that no reader understands, refuses its own records only', async () => {
  const registry = new Registry();
  registry.schemas.set(1, { type: 'string' } as unknown as AvroSchema);
  registry.schemas.set(2, { type: 'record', name: 'X', fields: [{ name: 'a', type: 'nowhere.Defined' }] });
  registry.schemas.set(3, visit);
  const reader = new AvroReader(registry);
  const good = new AvroCodec(3, visit).encode({ page: 'home' });
  await reader.prepare([framed(1), framed(2), good]);
  assert.throws(() => reader.decode(framed(1)), refusedBecause(/Schema 1 is "string", not a record/));
  assert.throws(() => reader.decode(framed(2)), refusedBecause(/Schema 2 cannot be read/));
  assert.deepEqual(read(reader, good), { page: 'home' });
});

test('a body that does not fit, and a value without the frame, are refused', async () => {
  const registry = new Registry();
  registry.schemas.set(1, visit);
  const reader = new AvroReader(registry);
  await reader.prepare([framed(1)]);
  assert.throws(() => reader.decode(framed(1)), /does not fit schema 1/);
  assert.throws(() => reader.decode(framed(1, 2, 65, 66)), /does not fit schema 1/, 'bytes are left over');
  assert.throws(
    () => reader.decode(Buffer.from('plain text')),
    refusedBecause(/does not start with the Confluent frame/),
  );
  assert.throws(() => reader.decode(Buffer.alloc(0)), refusedBecause(/does not start with the Confluent frame/));
});

test('a registry that gives no answer stops the reader: its records are not refused for that', async () => {
  const registry = new Registry();
  registry.failure = new Failure('unreachable', 'The schema registry does not answer.');
  await assert.rejects(new AvroReader(registry).prepare([framed(1)]), /does not answer/);
});

test('values of every size around that of the encoding buffer are encoded', () => {
  const codec = new AvroCodec<{ page: string }>(1, visit);
  for (const length of [65_520, 65_531, 65_536, 80_000, 100_000, 131_060, 131_072, 200_000, 1_000_000]) {
    const page = 'x'.repeat(length);
    assert.equal(codec.decode(codec.encode({ page })).page.length, length, String(length));
  }
});
