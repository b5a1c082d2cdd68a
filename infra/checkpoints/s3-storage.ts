// CheckpointStorage in S3, or whatever speaks its protocol. An object comes into being as a whole: with one request while it is small,
// else by an upload in parts that is completed at its end and given up when anything fails. A process that ends in between leaves parts
// that nobody sees but the bill: give the bucket a rule that ends incomplete uploads (AbortIncompleteMultipartUpload) after a day.
//
// The SDK finds credentials, region and proxy as every AWS program does: environment, profile, web identity, instance.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Failure } from '../../schemas/failure.ts';
import { type CheckpointStorage, type StoredObject } from '../../streams/checkpoints/checkpoint-storage.ts';

export interface S3Place {
  readonly bucket: string;
  /** begins all names, '' or ending with `/` */
  readonly prefix: string;
  /** another server than Amazon's; buckets are then part of the path, not of the host; null: Amazon's */
  readonly endpoint: string | null;
  /** null: as the SDK finds it */
  readonly region: string | null;
}

// S3 takes parts from 5 MiB on, and 10,000 of them: objects up to 80 GB, and two parts of memory.
const PART_BYTES = 8_388_608;

/** A start waits for its checkpoint: a place that does not answer must not cost minutes where the changelog is there. */
const TIMEOUTS = { connectionTimeout: 5_000, socketTimeout: 30_000 };

export interface S3Storage extends CheckpointStorage {
  close(): void;
}

export function s3Storage(place: S3Place): S3Storage {
  const client = new S3Client({
    requestHandler: TIMEOUTS,
    ...(place.region === null ? {} : { region: place.region }),
    ...(place.endpoint === null ? {} : { endpoint: place.endpoint, forcePathStyle: true }),
    // the format has checksums of its own, and not every server knows those of the SDK
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const at = (name: string): { Bucket: string; Key: string } => ({
    Bucket: place.bucket,
    Key: `${place.prefix}${name}`,
  });
  return {
    put: (name, chunks, signal) => named(place, () => putObject(client, at(name), chunks, signal)),

    async *get(name) {
      const { Body } = await named(place, () => client.send(new GetObjectCommand(at(name))));
      if (Body === undefined) return;
      for await (const chunk of Body as unknown as AsyncIterable<Uint8Array>)
        yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    },

    list: (prefix) => named(place, () => listObjects(client, place, prefix)),

    async delete(name) {
      await named(place, () => client.send(new DeleteObjectCommand(at(name))));
    },

    close: () => client.destroy(),
  };
}

interface ObjectAt {
  readonly Bucket: string;
  readonly Key: string;
}

async function putObject(
  client: S3Client,
  at: ObjectAt,
  chunks: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): Promise<number> {
  const options = signal === undefined ? {} : { abortSignal: signal };
  const parts = partsOf(chunks, signal)[Symbol.asyncIterator]();
  try {
    const first = await parts.next();
    const second = await parts.next();
    if (second.done === true) {
      const Body = first.done === true ? Buffer.alloc(0) : first.value;
      await client.send(new PutObjectCommand({ ...at, Body }), options);
      return Body.length;
    }
    return await putParts(client, at, [first.value as Buffer, second.value], parts, options);
  } finally {
    await parts.return?.();
  }
}

async function putParts(
  client: S3Client,
  at: ObjectAt,
  begun: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
  options: { readonly abortSignal?: AbortSignal },
): Promise<number> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at), options);
  const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
  let bytes = 0;
  const upload = async (Body: Buffer): Promise<void> => {
    const PartNumber = Parts.length + 1;
    const { ETag } = await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber, Body }), options);
    Parts.push({ PartNumber, ETag });
    bytes += Body.length;
  };
  try {
    for (const part of begun) await upload(part);
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) await upload(next.value);
    await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }), options);
    return bytes;
  } catch (failure) {
    // without the caller's signal, which may be what ended it; a second failure would only hide the first
    await client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
    throw failure;
  }
}

async function* partsOf(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): AsyncIterable<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < PART_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}

async function listObjects(
  client: S3Client,
  { bucket, prefix: all }: S3Place,
  prefix: string,
): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: `${all}${prefix}`,
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      }),
    );
    for (const { Key = '', Size = 0 } of page.Contents ?? []) found.push({ name: Key.slice(all.length), bytes: Size });
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return found;
}

async function named<T>({ bucket, endpoint }: S3Place, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'AbortError') throw cause;
    const where = endpoint === null ? `The bucket ${bucket}` : `The bucket ${bucket} at ${endpoint}`;
    if (!(cause instanceof S3ServiceException)) {
      if (!isConnection(cause)) throw cause;
      throw new Failure('unreachable', `${where} is not reached: ${String(cause)}.`, {
        fix: 'Check the network, the endpoint and the region.',
        cause,
      });
    }
    const status = cause.$metadata.httpStatusCode ?? 0;
    if (status === 404) throw new Failure('unknown_name', `${where} says: ${cause.message}.`, { cause });
    if (status === 401 || status === 403)
      throw new Failure('unauthorized', `${where} refuses access: ${cause.message}.`, {
        fix: 'Give the process credentials that may read, write, list and delete objects there.',
        cause,
      });
    throw new Failure('unreachable', `${where} fails: ${cause.name}: ${cause.message}.`, {
      fix: 'Try again later; state is safe in its changelog.',
      cause,
    });
  }
}

/** What the network says, as opposed to mistakes of ours. */
function isConnection(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const code = 'code' in cause ? String(cause.code) : '';
  return /^E[A-Z]+$/.test(code) || /^(TimeoutError|CredentialsProviderError)$/.test(cause.name);
}
