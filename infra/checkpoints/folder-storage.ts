// CheckpointStorage in a folder, of this machine or shared: an object is a file, written aside and moved into place when it is whole.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { type CheckpointStorage, type StoredObject } from '../../streams/checkpoints/checkpoint-storage.ts';

const PARTIAL = '.partial';
/** A file that is still written aside has a newer time than this; an older one was left by a process that ended. */
const PARTIAL_LEFT_MS = 86_400_000;
const READ_BYTES = 262_144;

/** @param folder made when missing */
export function folderStorage(folder: string): CheckpointStorage {
  return {
    async put(name, chunks, signal) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await removeLeftovers(dirname(path));
      const aside = `${path}.${randomUUID()}${PARTIAL}`;
      try {
        const bytes = await writeWhole(aside, chunks, signal);
        await rename(aside, path);
        await syncFolder(dirname(path));
        return bytes;
      } catch (cause) {
        await rm(aside, { force: true });
        throw isCode(cause, 'ENOSPC') ? diskFull(folder, cause) : cause;
      }
    },

    async *get(name) {
      try {
        yield* createReadStream(join(folder, name), { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>;
      } catch (cause) {
        if (!isCode(cause, 'ENOENT')) throw cause;
        throw new Failure('unknown_name', `There is no file ${join(folder, name)}.`, { cause });
      }
    },

    async list(prefix) {
      const found: StoredObject[] = [];
      for (const name of await namesIn(folder)) {
        if (!name.startsWith(prefix) || name.endsWith(PARTIAL)) continue;
        const size = await sizeOf(join(folder, name));
        if (size !== null) found.push({ name, bytes: size });
      }
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async delete(name) {
      await rm(join(folder, name), { force: true });
    },
  };
}

async function writeWhole(path: string, chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<number> {
  const file = await open(path, 'wx');
  try {
    let bytes = 0;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      await writeAll(file, chunk);
      bytes += chunk.length;
    }
    // the name must not come to stand for a file whose bytes a power cut may still take
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(PARTIAL)) continue;
    const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < Date.now() - PARTIAL_LEFT_MS) await rm(join(folder, name), { force: true });
  }
}

/** With `/` between their parts, relative to the folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length));
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

/** null: it has gone meanwhile */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return null;
    throw cause;
  }
}

function isCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

function diskFull(folder: string, cause: unknown): Failure {
  return new Failure('disk_full', `The disk that holds the checkpoints in ${folder} is full.`, {
    fix: 'Free some space there, or keep fewer checkpoints; state is safe in its changelog.',
    cause,
  });
}
