import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, ListMultipartUploadsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type S3Storage, s3Storage } from '../../../infra/checkpoints/s3-storage.ts';
import { type MotoServer, startMoto } from './moto-server.ts';
import { storageSuite } from './storage-suite.ts';

process.env['AWS_ACCESS_KEY_ID'] = 'any';
process.env['AWS_SECRET_ACCESS_KEY'] = 'any';

const BUCKET = 'checkpoints';
const region = 'eu-central-1';
const made: S3Storage[] = [];
let moto: MotoServer;
let client: S3Client;

before(async () => {
  moto = await startMoto();
  client = new S3Client({ region, endpoint: moto.endpoint, forcePathStyle: true });
  await client.send(
    new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration: { LocationConstraint: region } }),
  );
});

after(async () => {
  for (const storage of made) storage.close();
  client.destroy();
  await moto.stop();
});

function make(endpoint = moto.endpoint, bucket = BUCKET): S3Storage {
  const storage = s3Storage({ bucket, prefix: `app-${made.length}/`, endpoint, region });
  made.push(storage);
  return storage;
}

storageSuite('s3', make);

test('s3: lists past the thousand of one answer', async () => {
  const storage = make();
  const prefix = `app-${made.length - 1}/many/`;
  const names = Array.from({ length: 1_050 }, (_, at) => `many/${String(at).padStart(5, '0')}`);
  for (let at = 0; at < names.length; at += 50)
    await Promise.all(
      names
        .slice(at, at + 50)
        .map((name) =>
          client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefix}${name.slice(5)}`, Body: 'x' })),
        ),
    );
  assert.deepEqual(
    (await storage.list('many/')).map(({ name }) => name),
    names,
  );
});

test('s3: no upload in parts is left open by what broke off', async () => {
  const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  assert.deepEqual(Uploads ?? [], []);
});

test('s3: says which bucket is missing, and what is not reached', async () => {
  await assert.rejects(make(moto.endpoint, 'no-such-bucket').list(''), {
    name: 'Failure',
    code: 'unknown_name',
    message: /no-such-bucket/,
  });
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const address = closed.address();
  assert.ok(typeof address === 'object' && address !== null);
  await new Promise((resolve) => closed.close(resolve));
  await assert.rejects(make(`http://127.0.0.1:${address.port}`).list(''), { name: 'Failure', code: 'unreachable' });
});
