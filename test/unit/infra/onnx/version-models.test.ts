// Weights that are none, are missing or have changed: each is said, nothing else is disturbed, and what is put back is found.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { OnnxModels } from '../../../../infra/onnx/onnx-models.ts';
import { VersionModels } from '../../../../infra/onnx/version-models.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { type ServableVersion } from '../../../../serving/scoring/models.ts';
import { type Clock } from '../../../../streams/clock.ts';

const golden = new URL('../../../golden/models/', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'millrace-weights-'));
const inputs = [
  { name: 'a', kind: 'number' as const },
  { name: 'b', kind: 'number' as const },
];
let nowMs = 0;
const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => undefined };
let onnx: OnnxModels;
let versions: Map<string, ServableVersion>;
let models: VersionModels;

before(() => {
  mkdirSync(join(folder, 'artifacts'));
  onnx = new OnnxModels('cpu');
});
after(async () => {
  await onnx.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  versions = new Map();
  models = new VersionModels({ onnx, dataDir: folder, clock, find: (id) => versions.get(id) });
});

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Registers a version whose file is a copy of a golden one, or what is given. */
function register(id: string, content: string | Buffer, change: Partial<ServableVersion> = {}): string {
  const path = join(folder, 'artifacts', `${id.replace('/', '-')}.onnx`);
  if (typeof content === 'string') copyFileSync(join(golden, content), path);
  else writeFileSync(path, content);
  const [model = '', version = ''] = id.split('/');
  versions.set(id, {
    model,
    version: Number(version),
    weightsSha256: sha256(path),
    weightsUri: `mlflow-artifacts:/${id.replace('/', '-')}.onnx`,
    inputs,
    ...change,
  });
  return path;
}

const invalid =
  (words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, 'invalid_model');
    assert.match(error.advice, words);
    assert.notEqual(error.fix, '');
    return true;
  };
const row = (): Float32Array => Float32Array.from([1, 2]);

test('good weights score', async () => {
  register('m/1', 'linear.onnx');
  register('m/2', 'any-width.onnx');
  for (const id of ['m/1', 'm/2']) assert.deepEqual([...(await models.run(id, row(), 1))], [0.5]);
});

const BAD: readonly (readonly [string, string | Buffer, Partial<ServableVersion>, RegExp])[] = [
  ['text instead of ONNX', Buffer.from('this is no model at all'), {}, /no ONNX model that can be run/],
  ['an empty file', Buffer.alloc(0), {}, /no ONNX model that can be run/],
  ['a cut file', readFileSync(join(golden, 'linear.onnx')).subarray(0, 90), {}, /no ONNX model that can be run/],
  ['labels only', 'labels.onnx', {}, /is no float tensor/],
  ['two inputs', 'two-inputs.onnx', {}, /2 inputs; one float tensor/],
  ['another number of inputs', 'linear.onnx', { inputs: inputs.slice(0, 1) }, /takes 2 inputs, its version declares 1/],
  ['another number of inputs, unsaid', 'any-width.onnx', { inputs: inputs.slice(0, 1) }, /failed/],
  ['no inputs', 'linear.onnx', { inputs: [] }, /registered without weights and inputs/],
  ['no address', 'linear.onnx', { weightsUri: '' }, /registered without weights and inputs/],
  ['a folder', 'linear.onnx', { weightsUri: 'mlflow-artifacts:/' }, /no ONNX model that can be run.*EISDIR/],
  ['no file', 'linear.onnx', { weightsUri: 'mlflow-artifacts:/nowhere.onnx' }, /no ONNX model that can be run.*ENOENT/],
  [
    'another file than registered',
    'linear.onnx',
    { weightsSha256: 'ab'.repeat(32) },
    /not what was registered: SHA-256/,
  ],
];

for (const [index, [what, content, change, words]] of BAD.entries()) {
  test(`refused: ${what}; a good version scores all the same`, async () => {
    const id = `bad/${index + 1}`;
    register(id, content, change);
    register('good/1', 'linear.onnx');
    await assert.rejects(models.load(id), invalid(words));
    await assert.rejects(models.run(id, row(), 1), invalid(words));
    assert.deepEqual([...(await models.run('good/1', row(), 1))], [0.5]);
  });
}

test('a file that is put back is found, but not looked for in every batch', async () => {
  const path = register('m/9', 'linear.onnx');
  const good = readFileSync(path);
  writeFileSync(path, 'broken meanwhile');
  await assert.rejects(models.run('m/9', row(), 1), invalid(/no ONNX model/));
  writeFileSync(path, good);
  await assert.rejects(models.run('m/9', row(), 1), invalid(/no ONNX model/));
  nowMs += 5001;
  assert.deepEqual([...(await models.run('m/9', row(), 1))], [0.5]);
});

test('a version that nobody registered', async () => {
  await assert.rejects(
    models.load('m/77'),
    (error: unknown) => error instanceof Failure && error.code === 'unknown_name',
  );
});

test('once its thread has ended, every call says so instead of waiting for ever', async () => {
  const ended = new OnnxModels('cpu');
  await ended.close();
  await assert.rejects(ended.load('m/1', join(golden, 'linear.onnx'), 2), /has ended/);
});
