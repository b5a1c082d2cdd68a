// Where checkpoints go, as a setting says it: `file:///path` or a folder's path, or `s3://bucket` or `s3://bucket/prefix`.
import { fileURLToPath } from 'node:url';
import { Failure } from '../../schemas/failure.ts';
import { type CheckpointStorage } from '../../streams/checkpoints/checkpoint-storage.ts';
import { folderStorage } from './folder-storage.ts';
import { type S3Place } from './s3-storage.ts';

/** @throws Failure `invalid_definition` */
export function readS3Place(place: string, { endpoint, region }: Pick<S3Place, 'endpoint' | 'region'>): S3Place {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(place);
  if (match === null) {
    throw new Failure('invalid_definition', `${place} is no place for checkpoints.`, {
      fix: "Give file:///path, a folder's path, or s3://bucket/prefix.",
    });
  }
  const prefix = (match[2] ?? '').replace(/\/+$/, '');
  return { bucket: match[1] ?? '', prefix: prefix === '' ? '' : `${prefix}/`, endpoint, region };
}

/** @throws Failure `invalid_definition` */
export async function storageAt(place: string, s3: Pick<S3Place, 'endpoint' | 'region'>): Promise<CheckpointStorage> {
  if (/^file:\/\/\//.test(place)) return folderStorage(fileURLToPath(place));
  if (!/^[a-z0-9]+:\/\//i.test(place)) return folderStorage(place);
  const at = readS3Place(place, s3);
  // the SDK takes time and memory to load, and most processes never need it
  const { s3Storage } = await import('./s3-storage.ts');
  return s3Storage(at);
}
