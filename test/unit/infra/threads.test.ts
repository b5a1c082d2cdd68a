// Copies of a program in threads: they say that they run, end when asked, and a bad end of one is everybody's, and
// comes out as it was: a failure with its code, field and fix, anything else as an error.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Failure } from '../../../schemas/failure.ts';
import { startThreads } from '../../../infra/threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-threads-'));
after(() => rmSync(folder, { recursive: true }));

function program(name: string, text: string): URL {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, `import { parentPort, resourceLimits, workerData } from 'node:worker_threads';\n${text}`);
  return pathToFileURL(path);
}

const told = (name: string): string => join(folder, name);

test('all run, and end orderly when they are asked to', async () => {
  const threads = startThreads(
    program(
      'orderly',
      `import { writeFileSync } from 'node:fs';
       parentPort.once('message', () => { writeFileSync(workerData, 'ended'); process.exit(0); });
       parentPort.postMessage('running');`,
    ),
    [told('first'), told('second')],
  );
  await threads.running;
  threads.stop();
  await threads.ended;
  rmSync(told('first'));
  rmSync(told('second'));
});

test('one that throws ends all, with what it threw', async () => {
  const threads = startThreads(
    program(
      'throws',
      `parentPort.once('message', () => process.exit(0));
       parentPort.postMessage('running');
       if (workerData === 'bad') setImmediate(() => { throw new Error('the broker is gone'); });`,
    ),
    ['good', 'bad'],
  );
  // it may come before or after all have said that they run
  await Promise.all([threads.running.catch(() => undefined), assert.rejects(threads.ended, /the broker is gone/)]);
  threads.stop();
});

test('one that ends before it runs is no start', async () => {
  const threads = startThreads(program('early', 'process.exit(3);'), [null]);
  await assert.rejects(threads.running, /A thread ended with 3/);
  await assert.rejects(threads.ended, /A thread ended with 3/);
});

test('the young generation of a thread is bounded where it is asked for', async () => {
  const threads = startThreads(
    program(
      'bounded',
      `import v8 from 'node:v8';
       const kept = [];
       // what survives makes an unbounded young generation grow to 64 MB and more
       for (let index = 0; index < 5e6; index += 1) kept[index % 50_000] = { index, more: [index] };
       const space = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
       if (space.physical_space_size > workerData) throw new Error(\`\${space.physical_space_size} bytes\`);
       parentPort.postMessage('running');
       process.exit(0);`,
    ),
    [24 * 1024 * 1024],
    { youngGenerationMbMax: 24 },
  );
  await threads.ended;
});

const failureModule = new URL('../../../schemas/failure.ts', import.meta.url).href;
const ending = (text: string): URL =>
  new URL(`data:text/javascript,${encodeURIComponent(`import { Failure } from '${failureModule}'; ${text}`)}`);

async function endOf(text: string): Promise<unknown> {
  const threads = startThreads(ending(text), [null]);
  threads.running.catch(() => undefined);
  return threads.ended.then(
    () => null,
    (error: unknown) => error,
  );
}

test('a failure keeps its code, field and fix', async () => {
  const error = await endOf("throw new Failure('unknown_name', 'No topic x.', { field: 'topic', fix: 'Create it.' });");
  assert.ok(error instanceof Failure);
  assert.deepEqual(
    [error.code, error.message, error.field, error.fix],
    ['unknown_name', 'No topic x.', 'topic', 'Create it.'],
  );
});

test('a fault stays one, with its stack', async () => {
  const error = await endOf("throw new TypeError('x is undefined');");
  assert.ok(error instanceof TypeError && !(error instanceof Failure));
  assert.match(error.stack ?? '', /data:text/);
});

test('what only calls itself a failure is none', async () => {
  const error = await endOf("throw Object.assign(new Error('no'), { name: 'Failure', code: 'ENOENT' });");
  assert.ok(error instanceof Error && !(error instanceof Failure));
});

test('one that ends by itself is no error', async () => {
  assert.equal(await endOf('process.exit(0);'), null);
});
