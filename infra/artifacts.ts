// Artifacts (weights, files of runs) in a folder.
import { createWriteStream, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../schemas/failure.ts';
import { diskFull, isDiskFull } from './disk-space.ts';

export const SCHEME = 'mlflow-artifacts:/';

/** The file of a `mlflow-artifacts:/…` address or of a path below the artifact root. @throws Failure `invalid_field` for a path that leaves it */
export function artifactPath(dataDir: string, uri: string): string {
  const relative = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : uri;
  const plain = normalize(relative.replace(/^\/+/, ''));
  if (plain === '..' || plain.startsWith(`..${sep}`) || plain.includes('\0') || plain.startsWith('/')) {
    throw new Failure('invalid_field', `${uri} lies outside the artifacts.`, {
      field: 'path',
      fix: 'Use a path without `..`.',
    });
  }
  return join(dataDir, 'artifacts', plain);
}

export interface ArtifactEntry {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

export class Artifacts {
  readonly #dataDir: string;
  #count = 0;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Whole or not at all. @throws Failure `disk_full` */
  async put(path: string, content: Readable): Promise<void> {
    const file = artifactPath(this.#dataDir, path);
    this.#count += 1;
    const aside = `${file}.${process.pid}.${this.#count}.part`;
    try {
      mkdirSync(dirname(file), { recursive: true });
      await pipeline(content, createWriteStream(aside, { flush: true }));
      renameSync(aside, file);
    } catch (cause) {
      rmSync(aside, { force: true });
      if (isDiskFull(cause)) throw diskFull('the artifacts', cause);
      throw cause;
    }
  }

  /** The file, or null where there is none. */
  file(path: string): string | null {
    const file = artifactPath(this.#dataDir, path);
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() === true ? file : null;
  }

  list(path: string): ArtifactEntry[] {
    const folder = artifactPath(this.#dataDir, path);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.name.endsWith('.part'))
      .map((entry) =>
        entry.isDirectory()
          ? { path: entry.name, is_dir: true }
          : { path: entry.name, is_dir: false, file_size: statSync(join(folder, entry.name)).size },
      )
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  remove(path: string): void {
    rmSync(artifactPath(this.#dataDir, path), { recursive: true, force: true });
  }
}
