// Bad input on the running platform: each has its clear answer, nothing is lost, and whatever comes after it goes on.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Producer } from '@platformatic/kafka';
import { systemClock } from '../../../infra/clock.ts';
import { CommandClient } from '../../../infra/command-client.ts';
import { type Connections, connect } from '../../../infra/connect.ts';
import { readSettings } from '../../../infra/settings.ts';
import { AvroCodec, type AvroSchema } from '../../../schemas/codec.ts';
import { type DeadLetter, type Prediction } from '../../../schemas/events.generated.ts';
import { Failure } from '../../../schemas/failure.ts';
import { type LogWriter } from '../../../streams/log.ts';
import { Platform } from '../../faults/platform.ts';
import { Tail } from './tail.ts';

const VIEW = `
kind: entity
name: user
---
kind: feature_view
name: clicks
entity: user
source: { topic: shop.clicks, key_field: user_id, event_time_field: at }
features: [{ name: clicks_1h, function: count, window: 1h }]
`;
const ENDPOINT = `
kind: endpoint
name: purchase
model: purchase
request: { key_field: id, event_time_field: at }
entities: { user: user_id }
inputs: [{ name: basket }, { name: clicks_1h, from: clicks }]
outcome: { key_field: id, event_time_field: at, label_field: bought, horizon: 1h }
`;
const CLICK: AvroSchema = {
  type: 'record',
  name: 'Click',
  fields: [
    { name: 'user_id', type: ['null', 'string'] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
  ],
};
const linear = readFileSync(new URL('../../golden/models/linear.onnx', import.meta.url));
const UP_WITHIN_MS = 120_000;

let platform: Platform;
let connections: Connections;
let writer: LogWriter;
let letters: Tail;
let clickCodec: AvroCodec<unknown>;

const file = (name: string, text: string): string => {
  const path = join(platform.folder, name);
  writeFileSync(path, text);
  return path;
};

async function http(
  path: string,
  body: unknown,
  method = 'POST',
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`http://127.0.0.1:${platform.httpPort}${path}`, {
    method,
    ...(method === 'GET' ? {} : { body: body instanceof Buffer ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, answer: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

/** To partition 0, so that what follows a bad record stands behind it. */
async function produce(topic: string, values: readonly (Buffer | object)[]): Promise<void> {
  await writer.append(
    values.map((value) => ({
      topic,
      partition: 0,
      timestampMs: Date.now(),
      key: Buffer.from('key'),
      value: value instanceof Buffer ? value : Buffer.from(JSON.stringify(value)),
    })),
  );
}

const lettersOf = (topic: string, count: number): Promise<DeadLetter[]> =>
  letters.events<DeadLetter>((letter) => letter.source_topic === topic, count);

/** Words of a letter, and its value as it was produced. */
function requireLetter(given: DeadLetter | undefined, code: string, field: string, value: Buffer | object): void {
  assert.ok(given !== undefined);
  assert.deepEqual([given.code, given.field], [code, field], given.reason);
  assert.deepEqual(given.value, value instanceof Buffer ? value : Buffer.from(JSON.stringify(value)), 'whole');
  assert.ok(given.reason.length > 20, given.reason);
}

async function connectAll(): Promise<void> {
  connections = connect(readSettings({ ...process.env, ...platform.environment }, platform.folder), 'test');
  writer = connections.log.writer();
  letters = await Tail.from(connections.log, connections.codec.reader, connections.topics.deadLetters);
  clickCodec = new AvroCodec(await connections.registry.register('shop.clicks-value', CLICK), CLICK);
}

async function disconnectAll(): Promise<void> {
  await letters.close();
  await writer.close();
  await connections.log.close();
}

/** The run's artifacts with these bytes as weights, then a version of them. */
async function register(weights: Buffer): Promise<{ status: number; answer: Record<string, unknown> }> {
  const created = await http('/api/2.0/mlflow/runs/create', { experiment_id: '0' });
  const { info } = created.answer['run'] as { info: { run_id: string; artifact_uri: string } };
  const put = await http(
    `/api/2.0/mlflow-artifacts/artifacts/0/${info.run_id}/artifacts/model/model.onnx`,
    weights,
    'PUT',
  );
  assert.equal(put.status, 200, JSON.stringify(put.answer));
  return http('/api/2.0/mlflow/model-versions/create', {
    name: 'purchase',
    source: `${info.artifact_uri}/model`,
    run_id: info.run_id,
  });
}

async function command(...args: readonly string[]): Promise<{ code: number; text: string }> {
  return platform.command(args, 60_000);
}

let asked = 0;
/** A request over the topic; gives its id. */
async function ask(more: object = {}): Promise<string> {
  asked += 1;
  const id = `request-${asked}`;
  await produce('purchase.requests', [{ id, at: Date.now(), user_id: 'ada', basket: 2, ...more }]);
  return id;
}

async function predicted(id: string): Promise<Prediction> {
  const tail = await Tail.from(connections.log, connections.codec.reader, connections.topics.predictions('purchase'));
  const [prediction] = await tail.events<Prediction>((event) => event.request_id === id, 1);
  await tail.close();
  assert.ok(prediction !== undefined);
  return prediction;
}

describe('bad input on the running platform', () => {
  before(async () => {
    platform = await Platform.make({ MILLRACE_PARTITIONS: '2' });
    platform.start(['up']);
    await platform.says(/Millrace is up/, UP_WITHIN_MS);
    await connectAll();
  });
  after(async () => {
    await disconnectAll();
    await platform.remove();
  });

  it('a definition with a field that its topic has not: refused with the nearest name, and no topic is made', async () => {
    const admin = connections.log.admin();
    const before = await admin.listTopics();
    const wrong = file('wrong.yaml', VIEW.replace('key_field: user_id', 'key_field: userid'));
    const { code, text } = await command('apply', wrong);
    assert.equal(code, 1);
    assert.match(
      text,
      /feature_view clicks: source\.key_field: the events of shop\.clicks have no field userid\. Did you mean user_id\?/,
    );
    const unknown = file('unknown.yaml', `${VIEW}---${ENDPOINT.replace('from: clicks', 'from: click')}`);
    assert.match((await command('apply', unknown)).text, /there is no feature view click/);
    assert.deepEqual(await admin.listTopics(), before);
    const good = await command('apply', file('shop.yaml', `${VIEW}---${ENDPOINT}`), '--json');
    assert.deepEqual(JSON.parse(good.text), { applied: 3, unchanged: 0 });
    assert.ok((await admin.listTopics()).includes('millrace.features.clicks'));
    await admin.close();
  });

  it('records that nobody can read are in the dead letters, whole and with the reason; those behind them count', async () => {
    const at = Date.now();
    const good = clickCodec.encode({ user_id: 'ada', at });
    const unknownSchema = Buffer.from(good);
    unknownSchema.writeUInt32BE(987_654, 1);
    const bad: readonly (readonly [Buffer | object, string, string])[] = [
      [Buffer.from('neither Avro nor JSON'), 'undecodable_record', ''],
      [unknownSchema, 'undecodable_record', ''],
      [good.subarray(0, good.length - 2), 'undecodable_record', ''],
      [Buffer.from('{"user_id": "ada"'), 'undecodable_record', ''],
      [{ at }, 'missing_field', 'user_id'],
      [{ user_id: 'ada' }, 'missing_field', 'at'],
      [{ user_id: ['ada'], at }, 'invalid_field', 'user_id'],
      [{ user_id: 'ada', at: at + 0.5 }, 'invalid_field', 'at'],
      [{ user_id: 'ada', at: at * 1000 }, 'invalid_field', 'at'],
    ];
    for (const [value] of bad) await produce('shop.clicks', [value, { user_id: 'ada', at }]);
    await produce('shop.clicks', [good]);
    const found = await lettersOf('shop.clicks', bad.length);
    assert.equal(found.length, bad.length);
    for (const [index, [value, code, field]] of bad.entries()) requireLetter(found[index], code, field, value);
    const rows = await Tail.from(connections.log, connections.codec.reader, 'millrace.features.clicks');
    await rows.events<{ clicks_1h: number }>(({ clicks_1h }) => clicks_1h === bad.length + 1, 1);
    await rows.close();
  });

  it('batches of every codec that other producers use are read', async () => {
    const producer = new Producer({
      clientId: 'other',
      bootstrapBrokers: [`127.0.0.1:${platform.environment['MILLRACE_KAFKA_PORT']}`],
    });
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
    for (const compression of codecs)
      await producer.send({
        compression,
        messages: [
          {
            topic: 'shop.clicks',
            key: Buffer.from(compression),
            value: clickCodec.encode({ user_id: compression, at: Date.now() }),
          },
        ],
      });
    await producer.close();
    const rows = await Tail.from(connections.log, connections.codec.reader, 'millrace.features.clicks');
    for (const codec of codecs) await rows.events<{ entity_key: string }>((row) => row.entity_key === codec, 1);
    await rows.close();
  });

  it('a file that is no model is not registered; a model is, and comes to answer', async () => {
    await http('/api/2.0/mlflow/registered-models/create', { name: 'purchase' });
    const refused = await register(Buffer.from('this is no model'));
    assert.equal(refused.status, 400);
    assert.match(String(refused.answer['message']), /no ONNX model that can be run.*register it again/);
    const registered = await register(linear);
    assert.equal(registered.status, 200, JSON.stringify(registered.answer));
    const hasty = await command('promote', 'purchase', '--version', '1');
    assert.match(hasty.text, /not approved\. Approve and promote it with `millrace promote … --approve`/);
    assert.equal((await command('promote', 'purchase', '--version', '1', '--approve')).code, 0);
    assert.equal((await predicted(await ask())).version, 1);
    assert.equal((await http('/v2/models/purchase/ready', null, 'GET')).status, 200);
  });

  it('a request without an entity key: a dead letter over the topic, 400 with the field over HTTP', async () => {
    const lacking = { id: 'lacking', at: Date.now(), basket: 1 };
    const strange = { id: 'strange', at: Date.now(), user_id: 'ada', basket: 'full' };
    const timeless = { id: 'timeless', user_id: 'ada', basket: 1 };
    await produce('purchase.requests', [lacking, strange, timeless, Buffer.from([0, 1, 2])]);
    const next = await ask();
    const found = await lettersOf('purchase.requests', 4);
    requireLetter(
      found.find(({ field }) => field === 'user_id'),
      'missing_field',
      'user_id',
      lacking,
    );
    requireLetter(
      found.find(({ field }) => field === 'basket'),
      'invalid_field',
      'basket',
      strange,
    );
    requireLetter(
      found.find(({ field }) => field === 'at'),
      'missing_field',
      'at',
      timeless,
    );
    requireLetter(
      found.find(({ field }) => field === ''),
      'undecodable_record',
      '',
      Buffer.from([0, 1, 2]),
    );
    assert.equal((await predicted(next)).request_id, next);

    const infer = (fields: Readonly<Record<string, unknown>>) =>
      http('/v2/models/purchase/infer', {
        inputs: Object.entries(fields).map(([name, value]) => ({ name, shape: [1], datatype: 'BYTES', data: [value] })),
      });
    const without = await infer({ basket: 1 });
    assert.deepEqual(
      [without.status, without.answer['code'], without.answer['field']],
      [400, 'missing_field', 'user_id'],
    );
    assert.match(String(without.answer['error']), /The request has no user_id\..*give null where it is unknown/);
    const wrong = await infer({ user_id: 'ada', basket: 'full' });
    assert.deepEqual([wrong.status, wrong.answer['field']], [400, 'basket']);
    assert.equal((await infer({ user_id: 'ada', basket: 1 })).status, 200);
    assert.equal((await infer({ user_id: null, basket: 1 })).status, 200);
  });

  it('an outcome without a prediction is in the dead letters; the one behind it is joined', async () => {
    const id = await ask();
    await predicted(id);
    // a prediction is waited for, 10 minutes, before somebody is told
    const nobody = { id: 'nobody', at: Date.now() - 11 * 60_000, bought: 1 };
    const neither = { id, at: Date.now(), bought: 'maybe' };
    await produce('purchase.outcomes', [nobody, neither, { id, at: Date.now(), bought: 1 }]);
    const found = await lettersOf('purchase.outcomes', 2);
    requireLetter(
      found.find(({ code }) => code === 'unknown_prediction'),
      'unknown_prediction',
      'id',
      nobody,
    );
    requireLetter(
      found.find(({ code }) => code === 'invalid_field'),
      'invalid_field',
      'bought',
      neither,
    );
    const results = await Tail.from(connections.log, connections.codec.reader, 'purchase.results');
    await results.events<{ request_id: string }>(({ request_id }) => request_id === id, 1);
    await results.close();
  });

  it("strangers' records among the commands, and a command that trips the decider, stop nothing", async () => {
    const owner = platform.processes().get('lifecycle');
    const junk = Buffer.from('hello?');
    await produce('millrace.commands', [junk]);
    const [letter] = await lettersOf('millrace.commands', 1);
    requireLetter(letter, 'undecodable_record', '', junk);
    const { log, codec, topics } = connections;
    const commands = new CommandClient({
      log,
      codec,
      names: topics,
      clock: systemClock,
      workspace: 'default',
      issuedBy: 'test',
    });
    await commands.start();
    const refused = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
    await assert.rejects(commands.send('ApplyDefinitions', { definitions: [null] }), refused('invalid_request'));
    await assert.rejects(commands.send('Frobnicate', {}), refused('unknown_name'));
    assert.deepEqual(await commands.send('ReleaseControl', { endpoint: 'purchase' }), {});
    await commands.close();
    await produce('millrace.lifecycle', [junk]);
    await produce('millrace.metrics', [junk]);
    await produce('millrace.watermarks', [junk]);
    assert.equal((await predicted(await ask())).version, 1);
    assert.equal(platform.processes().get('lifecycle'), owner);
  });

  it('weights that break after their registration: requests wait in the dead letters, every process lives, rollback mends it', async () => {
    assert.equal((await register(linear)).status, 200);
    const running = platform.processes();
    const { answer } = await http('/api/2.0/mlflow/model-versions/get?name=purchase&version=2', null, 'GET');
    const { source } = answer['model_version'] as { source: string };
    const path = join(platform.folder, 'artifacts', source.replace('mlflow-artifacts:/', ''), 'model.onnx');
    writeFileSync(path, 'overwritten by mistake');
    assert.equal((await command('promote', 'purchase', '--version', '2', '--approve')).code, 0);
    const id = await ask();
    const [letter] = await letters.events<DeadLetter>(({ code }) => code === 'invalid_model', 1);
    assert.equal((JSON.parse(letter?.value?.toString() ?? '') as { id: string }).id, id);
    assert.match(letter?.reason ?? '', /no ONNX model that can be run/);
    const inputs = [{ name: 'input', shape: [1, 2], datatype: 'FP32', data: [1, 2] }];
    const asked = await http('/v2/models/purchase/infer', { inputs });
    assert.deepEqual([asked.status, asked.answer['code']], [503, 'not_ready']);
    assert.match(String(asked.answer['error']), /millrace rollback purchase/);
    assert.equal((await http('/v2/models/purchase/versions/1/infer', { inputs })).status, 200);
    assert.equal((await http('/v2/models/purchase/ready', null, 'GET')).status, 503);
    assert.equal((await command('rollback', 'purchase')).code, 0);
    assert.equal((await predicted(await ask())).version, 1);
    assert.deepEqual(platform.processes(), running, 'no process was started anew');
  });

  it('answers for scripts are JSON', async () => {
    const status = JSON.parse((await command('status', '--json')).text) as {
      running: boolean;
      ready: boolean;
      processes: { name: string }[];
    };
    assert.deepEqual([status.running, status.ready], [true, true]);
    assert.ok(status.processes.some(({ name }) => name === 'scoring'));
    const refused = await command('promote', 'purchase', '--version', '99', '--json');
    assert.equal(refused.code, 1);
    assert.deepEqual((JSON.parse(refused.text) as { error: { code: string; field: string } }).error.field, 'version');
    const rows = await command('sql', 'SELECT code, count() AS n FROM millrace.dead_letters GROUP BY code', '--json');
    const codes = rows.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { code: string }).code);
    assert.ok(codes.includes('undecodable_record'), rows.text);
  });

  it('a killed supervisor leaves processes; the next start ends them, says so, and goes on where they were', async () => {
    const left = platform.processes();
    const id = await ask();
    await disconnectAll();
    await platform.kill();
    assert.match((await command('status')).text, /left by a killed supervisor/);
    platform.start(['up']);
    await platform.says(/Millrace is up/, UP_WITHIN_MS);
    assert.match(platform.output, /a killed supervisor had left processes, which are ended now: .*kafka.*scoring/);
    for (const [name, pid] of platform.processes()) assert.notEqual(pid, left.get(name), name);
    await connectAll();
    assert.equal((await predicted(id)).request_id, id);
    assert.equal((await predicted(await ask())).version, 1);
  });
});
