import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readS3Place, storageAt } from '../../../infra/checkpoints/storage-place.ts';

const S3 = { endpoint: null, region: null };

test('a bucket, with and without a prefix', () => {
  assert.deepEqual(readS3Place('s3://my-bucket', S3), { ...S3, bucket: 'my-bucket', prefix: '' });
  assert.deepEqual(readS3Place('s3://my-bucket/a/b/', S3), { ...S3, bucket: 'my-bucket', prefix: 'a/b/' });
});

test('what is no place is refused, with what would be one', async () => {
  for (const place of ['s3://', 's3:///prefix', 's3://Upper/x', 'gs://bucket'])
    await assert.rejects(storageAt(place, S3), { name: 'Failure', code: 'invalid_definition', fix: /s3:\/\/bucket/ });
});

test('a folder, by its path and as file:///', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace place-'));
  for (const [name, place] of [
    ['a', folder],
    ['b', pathToFileURL(folder).href],
  ] as const) {
    const storage = await storageAt(place, S3);
    await storage.put(name, one());
    assert.equal(readFileSync(join(folder, name), 'utf8'), 'one');
  }
  rmSync(folder, { recursive: true });
});

async function* one(): AsyncIterable<Buffer> {
  yield await Promise.resolve(Buffer.from('one'));
}
