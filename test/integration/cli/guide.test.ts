// The guide of streams/README.md, followed on the running platform: its processor in a folder outside, its commands, what they show.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../../infra/clock.ts';
import { type Day } from '../../../examples/streams/spending.ts';
import { Platform } from '../../faults/platform.ts';

const root = new URL('../../../', import.meta.url).pathname;
const WITHIN_MS = 120_000;
let platform: Platform;
let mine: string;
let stream: ChildProcess | null = null;

before(async () => {
  platform = await Platform.make({ MILLRACE_PARTITIONS: '2' });
  mine = join(platform.folder, 'mine');
  // as `npm install FOLDER_OF_MILLRACE` leaves it
  mkdirSync(join(mine, 'node_modules'), { recursive: true });
  symlinkSync(root, join(mine, 'node_modules', 'millrace'));
  platform.start(['up']);
  await platform.says(/Millrace is up/, WITHIN_MS);
});
after(async () => {
  stream?.kill('SIGKILL');
  await platform.remove();
});

const millrace = (...args: readonly string[]): Promise<{ code: number; out: string; told: string }> =>
  platform.ask(args, WITHIN_MS);

/** The records of a topic, once there are `count`, by their key. */
async function recordsOf(topic: string, count: number): Promise<readonly { key: string; value: unknown }[]> {
  const untilMs = systemClock.monotonicMs() + WITHIN_MS;
  for (;;) {
    const { code, out, told } = await millrace('read', topic, '--all');
    assert.equal(code, 0, told);
    const lines = out.split('\n').filter((line) => line !== '');
    if (lines.length >= count || systemClock.monotonicMs() > untilMs)
      return lines.map((line) => JSON.parse(line) as { key: string; value: unknown });
  }
}

function file(name: string, text: string): string {
  writeFileSync(join(mine, name), text);
  return join(mine, name);
}

test('a processor outside is run, its topics made, its records and its state read', async () => {
  const source = readFileSync(join(root, 'examples/streams/spending.ts'), 'utf8');
  const left = await millrace('stream', file('left.ts', source), '--describe');
  assert.equal(left.code, 1);
  assert.match(left.told, /^millrace: Cannot find module .* `npm install FOLDER_OF_MILLRACE` there/);

  const spending = file('spending.ts', source.replaceAll("'../../streams/", "'millrace/streams/"));
  const refused = await millrace('stream', spending);
  assert.equal(refused.code, 1);
  // the failure of a thread, with its fix, and no stack
  assert.match(refused.told, /^millrace: The topic payments does not exist\. .*--create-topics.*\n$/);

  stream = spawn(process.execPath, [join(root, 'infra/cli/millrace.ts'), 'stream', spending, '--create-topics'], {
    env: { ...process.env, ...platform.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  stream.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()));
  while (!told.includes('runs; Ctrl-C stops it')) {
    assert.equal(stream.exitCode, null, told);
    await systemClock.sleep(100);
  }

  const payments = [
    { card: 'c1', amount: 1200, paid_at: 3_600_000 },
    { card: 'c1', amount: 'lots', paid_at: 3_700_000 },
  ];
  const lines = file('payments.jsonl', payments.map((payment) => `${JSON.stringify(payment)}\n`).join(''));
  const fields = ['--key-field', 'card', '--event-time-field', 'paid_at'];
  assert.match((await millrace('replay', lines, '--topic', 'payments', ...fields)).out, /2 records produced/);
  assert.deepEqual(
    (await recordsOf('payments', 2)).map(({ key, value }) => [key, value]),
    payments.map((payment) => ['c1', payment]),
  );
  const day: Day = { card: 'c1', day: '1970-01-01', spent: 1200, state: 'over limit' };
  assert.deepEqual(
    (await recordsOf('spending', 1)).map(({ key, value }) => [key, value]),
    [['c1', day]],
  );
  assert.equal((await millrace('state', 'spending', 'per-day', 'c1')).out, `c1\t${JSON.stringify(day)}\n`);
  assert.match((await millrace('dead-letters')).out, /payments\/\d\/1  amount is "lots"\. Give a number\./);
  // what is Avro, in the Confluent frame, is decoded; the platform's own events are
  const letters = await recordsOf('millrace.dead-letters', 1);
  assert.equal((letters[0]?.value as { field: string }).field, 'amount');

  assert.match(told, /^spending: 1 record was set aside .* of payments \(decode, invalid_field\).*amount is "lots"/m);

  stream.kill('SIGINT');
  await once(stream, 'exit');
});

test('a topic that is not there is told with the nearest', async () => {
  const { code, told } = await millrace('read', 'paymentz');
  assert.equal(code, 1);
  assert.match(told, /There is no topic paymentz\. Did you mean payments\?/);
});

test('the newest of a topic, and what comes', async () => {
  const newest = await millrace('read', 'payments', '--newest', '1');
  assert.deepEqual(
    newest.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { offset: number }).offset),
    [1],
  );
  // the end of its transaction lies behind it
  const written = await millrace('read', 'spending', '--newest', '1');
  assert.match(written.out, /"key":"c1"/);
  const follower = spawn(process.execPath, [join(root, 'infra/cli/millrace.ts'), 'read', 'payments', '--follow'], {
    env: { ...process.env, ...platform.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  follower.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  try {
    const more = file('more.jsonl', '{"card":"c9","amount":1,"paid_at":3800000}\n');
    await millrace('replay', more, '--topic', 'payments', '--key-field', 'card', '--event-time-field', 'paid_at');
    const untilMs = systemClock.monotonicMs() + WITHIN_MS;
    while (!out.includes('"c9"') && systemClock.monotonicMs() < untilMs) await systemClock.sleep(100);
    assert.match(out, /"key":"c9","value":\{"card":"c9","amount":1,"paid_at":3800000\}/);
  } finally {
    follower.kill('SIGINT');
  }
  assert.deepEqual(await once(follower, 'exit'), [0, null], 'Ctrl-C is no failure');
});

test('the topology is run by a program, as the guide has it', async () => {
  const guide = readFileSync(join(root, 'streams/README.md'), 'utf8');
  const block = /```ts\n( *import \{ connect \}[^`]*(?:`[^`]+`[^`]*)*?)\n *```/.exec(guide)?.[1] ?? '';
  const program = spawn(process.execPath, [file('run.ts', block)], {
    ...{ cwd: mine, env: { ...process.env, ...platform.environment }, stdio: ['ignore', 'inherit', 'inherit'] },
  });
  try {
    // replay leaves away as many as the partition has
    const more = file('other.jsonl', '{"card":"c2","amount":1500,"paid_at":3900000}\n'.repeat(5));
    const fields = ['--key-field', 'card', '--event-time-field', 'paid_at'];
    const { out, told } = await millrace('replay', more, '--topic', 'payments', ...fields);
    assert.match(out, /^[1-5] records produced/, told);
    const over: Day = { card: 'c2', day: '1970-01-01', spent: 1500, state: 'over limit' };
    const untilMs = systemClock.monotonicMs() + WITHIN_MS / 2;
    for (;;) {
      const records = await recordsOf('spending', 1);
      if (records.some(({ value }) => isDeepStrictEqual(value, over))) break;
      const input = await recordsOf('payments', 1);
      assert.ok(systemClock.monotonicMs() < untilMs, JSON.stringify({ records, input }));
    }
  } finally {
    program.kill('SIGTERM');
  }
  assert.deepEqual(await once(program, 'exit'), [0, null]);
});
