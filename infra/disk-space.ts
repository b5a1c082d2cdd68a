// A full disk: how it is noticed, and what is said of it.
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../schemas/failure.ts';

/** Kafka and ClickHouse end when a write fails: below this nothing is started. */
export const DISK_MIN_MB = 200;

/** What systems and libraries say: errno names, glibc's words, quotas. */
const FULL = /ENOSPC|EDQUOT|No space left on device|Disk quota exceeded|NOT_ENOUGH_SPACE/i;

export function isDiskFull(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return typeof error === 'string' && FULL.test(error);
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return (
    code === 'ENOSPC' || code === 'EDQUOT' || (error instanceof Error && FULL.test(error.message)) || isDiskFull(cause)
  );
}

/** @param what is kept there, such as `the artifacts` */
export function diskFull(what: string, cause: unknown): Failure {
  return new Failure('disk_full', `The disk that holds ${what} is full.`, {
    field: 'MILLRACE_DATA_DIR',
    fix: 'Free some space, or stop and move MILLRACE_DATA_DIR to a larger disk; what was committed is kept.',
    cause,
  });
}

/** MB that can still be written at `folder`, or where it will be made. */
export function freeMb(folder: string): number {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  return Math.floor((bavail * bsize) / 1e6);
}

/** @throws Failure `disk_full` */
export function requireSpace(folder: string): void {
  const mb = freeMb(folder);
  if (mb < DISK_MIN_MB)
    throw new Failure(
      'disk_full',
      `Only ${mb} MB are free at ${folder}; Kafka and ClickHouse need at least ${DISK_MIN_MB} MB.`,
      {
        field: 'MILLRACE_DATA_DIR',
        fix: 'Free some space, or set MILLRACE_DATA_DIR to a folder on a larger disk.',
      },
    );
}
