// What ends a thread badly comes out of it as it was: a failure with its code, field and fix, anything else as an error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { startThreads } from '../../../infra/threads.ts';

const failureModule = new URL('../../../schemas/failure.ts', import.meta.url).href;
const program = (text: string): URL =>
  new URL(`data:text/javascript,${encodeURIComponent(`import { Failure } from '${failureModule}'; ${text}`)}`);

async function endOf(text: string): Promise<unknown> {
  const threads = startThreads(program(text), [null]);
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
