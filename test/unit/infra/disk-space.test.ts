// What counts as a full disk, however deep the library that met it has hidden it.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { diskFull, freeMb, isDiskFull } from '../../../infra/disk-space.ts';

function fromTheSystem(): unknown {
  const file = openSync('/dev/full', 'w');
  try {
    writeSync(file, 'x');
    return null;
  } catch (error) {
    return error;
  } finally {
    closeSync(file);
  }
}

test('a full disk is known by its code, its words or its cause', () => {
  const real = fromTheSystem();
  for (const error of [
    real,
    new Error('Batch was not applied', { cause: real }),
    new Error('IO error: No space left on device: While appending to file: /x/000004.log'),
    new Error('outer', { cause: new Error('inner', { cause: Object.assign(new Error('quota'), { code: 'EDQUOT' }) }) }),
    'Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)',
  ])
    assert.equal(isDiskFull(error), true, String(error));
  for (const error of [null, undefined, 3, 'a full house', new Error('EACCES'), { code: 'ENOENT' }, {}])
    assert.equal(isDiskFull(error), false, JSON.stringify(error));
});

test('what is said of it', () => {
  const failure = diskFull('the artifacts', null);
  assert.deepEqual([failure.code, failure.field], ['disk_full', 'MILLRACE_DATA_DIR']);
  assert.match(
    failure.advice,
    /^The disk that holds the artifacts is full\. Free some space, .*what was committed is kept\.$/,
  );
});

test('the space of a folder that is still to be made is that of its disk', () => {
  assert.ok(freeMb(tmpdir()) > 0);
  assert.ok(Math.abs(freeMb(join(tmpdir(), 'not', 'made', 'yet')) - freeMb(tmpdir())) < 100);
});
