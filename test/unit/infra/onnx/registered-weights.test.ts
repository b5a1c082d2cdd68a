// What a version is registered with: the one ONNX file below its source, if it can be run.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Artifacts } from '../../../../infra/artifacts.ts';
import { weightsBelow } from '../../../../infra/onnx/registered-weights.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { type VersionInput } from '../../../../serving/scoring/models.ts';

const golden = new URL('../../../golden/models/', import.meta.url).pathname;
const dataDir = mkdtempSync(join(tmpdir(), 'millrace-registered-'));
after(() => rmSync(dataDir, { recursive: true }));
const artifacts = new Artifacts(dataDir);
const AB: readonly VersionInput[] = [
  { name: 'a', kind: 'number' },
  { name: 'b', kind: 'number' },
];

/** A folder of artifacts: golden models by name, or the text that is given. */
function source(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(dataDir, 'artifacts', name);
  mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    if (content.endsWith('.onnx')) copyFileSync(join(golden, content), join(folder, file));
    else writeFileSync(join(folder, file), content);
  }
  return `mlflow-artifacts:/${name}`;
}

const below = (from: string, inputs: readonly VersionInput[] | null = null) =>
  weightsBelow(artifacts, dataDir, 'cpu', from, inputs);
const refused =
  (field: string, words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    assert.deepEqual([error.code, error.field], ['invalid_model', field]);
    assert.match(error.advice, words);
    return true;
  };

test('a folder with one model gives its address, its hash and what says its inputs', async () => {
  const sha256 = createHash('sha256')
    .update(readFileSync(join(golden, 'linear.onnx')))
    .digest('hex');
  const plain = source('plain', { 'model.onnx': 'linear.onnx', MLmodel: 'flavors: {}' });
  assert.deepEqual(await below(plain), { uri: `${plain}/model.onnx`, sha256, inputs: null });
  assert.deepEqual(await below(`${plain}/`, AB), { uri: `${plain}/model.onnx`, sha256, inputs: AB });
  assert.deepEqual(await below(`${plain}/model.onnx`, AB), { uri: `${plain}/model.onnx`, sha256, inputs: AB });
  const declared = [
    { name: 'colour', kind: 'category', categories: ['red'] },
    { name: 'b', kind: 'number' },
  ];
  const signed = source('signed', { 'model.onnx': 'linear.onnx', 'signature.json': JSON.stringify(declared) });
  assert.deepEqual((await below(signed, AB))?.inputs, declared);
});

test('a source without weights of ours is registered as it is', async () => {
  assert.equal(await below(source('notes', { 'readme.txt': 'no model' })), null);
  assert.equal(await below('s3://bucket/model.onnx'), null);
  assert.equal(await below('mlflow-artifacts:/never/logged'), null);
});

test('what cannot be run is refused with the reason', async () => {
  await assert.rejects(
    below(source('none', { 'model.onnx': 'not a model' })),
    refused('', /no ONNX model that can be run/),
  );
  await assert.rejects(below(source('labels', { 'model.onnx': 'labels.onnx' })), refused('', /is no float tensor/));
  await assert.rejects(
    below(source('wide', { 'model.onnx': 'linear.onnx' }), AB.slice(0, 1)),
    refused('inputs', /takes 2 inputs/),
  );
  await assert.rejects(below('mlflow-artifacts:/never/logged.onnx'), refused('weights_uri', /no weights at/));
  const two = source('two', { 'a.onnx': 'linear.onnx', 'b.onnx': 'linear.onnx' });
  await assert.rejects(below(two), refused('source', /2 ONNX files\. Name one/));
  await assert.rejects(
    below('mlflow-artifacts:/../../etc/x.onnx'),
    (error: unknown) => error instanceof Failure && error.code === 'invalid_field',
  );
});

test('a signature that says nothing useful is refused', async () => {
  for (const [index, text] of [
    '{',
    '{}',
    '[]',
    '[{"kind":"number"}]',
    '[{"name":"a"}]',
    '[{"name":"a","kind":"category"}]',
    '[null]',
  ].entries())
    await assert.rejects(
      below(source(`signature-${index}`, { 'model.onnx': 'linear.onnx', 'signature.json': text })),
      refused('inputs', /signature\.json beside the weights/),
    );
});
