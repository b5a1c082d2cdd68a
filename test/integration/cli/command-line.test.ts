// The command line as a shell sees it: help, hints, exit statuses, JSON; nothing runs for it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

/** What `npx millrace` starts, once everything is there. */
const cli = new URL('../../../infra/cli/entry.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
after(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What of the caller's settings would change the answers is left out. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(MILLRACE_|KAFKA_|SCHEMA_|CLICKHOUSE_)/.test(name)),
);

function millrace(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  program = cli,
): Promise<Outcome> {
  // nobody's Kafka listens on port 1
  const env = {
    ...inherited,
    ...{ NODE_COMPILE_CACHE: join(folder, 'code'), MILLRACE_DATA_DIR: join(folder, 'data'), MILLRACE_KAFKA_PORT: '1' },
    ...environment,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, cwd: folder }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

const COMMANDS = [
  'demo',
  'up',
  'down',
  'status',
  'state',
  'apply',
  'replay',
  'read',
  'train',
  'promote',
  'rollback',
  'verify',
  'sql',
  'dead-letters',
  'run',
  'stream',
  'doctor',
  'reset',
  'bench',
];

describe('help', { concurrency: 2 }, () => {
  test('the entry keeps the compiled program for the next run, and says the same without it', async () => {
    const kept = join(folder, 'kept');
    const runs = [];
    for (const NODE_COMPILE_CACHE of [kept, kept, '/dev/null/nowhere'])
      runs.push(await millrace(['bench', '--help'], { NODE_COMPILE_CACHE }));
    const plain = await millrace(['bench', '--help'], {}, cli.replace('entry.mjs', 'millrace.ts'));
    assert.deepEqual(runs, [plain, plain, plain]);
    assert.ok(readdirSync(kept, { recursive: true }).length > 5);
  });
  test('the overview lists every command', async () => {
    for (const args of [[], ['--help']]) {
      const { code, out, err } = await millrace(args);
      assert.deepEqual([code, err], [0, '']);
      for (const name of COMMANDS) assert.match(out, new RegExp(`^  ${name} +\\S`, 'm'), name);
      const listed = [...out.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name]) => name);
      assert.deepEqual(listed, COMMANDS);
    }
  });
  for (const name of COMMANDS)
    test(`${name} --help tells its usage and every option`, async () => {
      const { code, out, err } = await millrace([name, '--help']);
      assert.deepEqual([code, err], [0, '']);
      assert.ok(out.startsWith(`millrace ${name}`), out);
      assert.ok(out.split('\n').length >= 3, 'more than its name');
    });
});

test('who reads only the first line is no failure', async () => {
  const script = 'set -o pipefail; "$0" "$@" | true';
  const outcome = await new Promise<string>((resolve) => {
    execFile(
      'bash',
      ['-c', script, process.execPath, cli, '--help'],
      { env: inherited, cwd: folder },
      (error, _, err) => resolve(`${error === null ? 0 : error.code} ${err}`),
    );
  });
  assert.equal(outcome, '0 ');
});

const SPENDING = new URL('../../../examples/streams/spending.ts', import.meta.url).pathname;
const FEATURE_JOB = ['feature-job', '--group', 'g', '--in', 'i', '--out', 'o', '--state', 's'];

/** Command line, words on standard error. Nothing is begun: the command line itself says nothing. */
const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [['upp'], /no command upp\. Did you mean up\?/],
  [['frobnicate'], /no command frobnicate\. `millrace --help` lists them/],
  [['--frobnicate'], /no command --frobnicate/],
  [['up', '--detatch'], /`millrace up` has no option --detatch\. Did you mean --detach\?/],
  [['status', '--frobnicate'], /no option --frobnicate\. See `millrace status --help`/],
  [['status', '--json=yes'], /does not take an argument.*`millrace status --help`/],
  [['promote', 'e', '--version'], /argument missing.*`millrace promote --help`/],
  [['up', '--time', 'never'], /--time is never\. Give live or event/],
  [['run'], /--role is missing\. Use one of features/],
  [['run', '--role', 'scorer'], /no role scorer\. Use one of/],
  [['apply'], /No file is given/],
  [['train'], /ENDPOINT is missing/],
  [['train', 'e'], /--from is missing/],
  [['train', 'e', '--from', '2026-01-01'], /--to is missing/],
  [['train', 'e', '--from', 'monday', '--to', '2026-01-01'], /--from is monday, no instant/],
  [['promote'], /ENDPOINT is missing/],
  [['promote', 'e'], /--version is missing/],
  [['promote', 'e', '--version', 'two'], /--version is two, no version/],
  [['rollback'], /ENDPOINT is missing/],
  [['rollback', 'e', '--version', '0'], /--version is 0, no version/],
  [['verify'], /PREDICTION_ID is missing/],
  [['sql'], /No statement is given/],
  [['stream'], /FILE\.ts is missing/],
  [['stream', SPENDING, '--threads', 'two'], /--threads is two\. Give a whole number from 1 on/],
  [['stream', SPENDING, '--failures', 'process=retry'], /--failures\.process: retry is not known/],
  [['stream', SPENDING, '--failures', 'late=stop'], /--failures\.late: is not known here/],
  [['stream', SPENDING, '--guarantee', 'eos'], /--guarantee is eos\. Give exactly-once or at-least-once/],
  [['read'], /TOPIC is missing/],
  [['read', 'payments', '--newest', '2.5'], /--newest is 2\.5\. Give a whole number/],
  [['replay'], /FILE\.jsonl is missing/],
  [['replay', 'wrong.yaml'], /--topic is missing/],
  [['replay', 'wrong.yaml', '--topic', 't'], /--key-field is missing/],
  [['replay', 'wrong.yaml', '--topic', 't', '--speed', 'fast'], /--speed is fast\. Give a number above 0/],
  [['replay', 'wrong.yaml', '--topic', 't', '--speed', 'Infinity'], /--speed is Infinity/],
  [['state', 'payments'], /STORE is missing/],
  [['state', 'payments', 'spent', '--limit', '-1'], /argument is ambiguous/],
  [['state', 'payments', 'spent', '--limit=many'], /--limit is many\. Give a whole number/],
  [['state', 'payments', 'spent', '--at-least', '{'], /--at-least is \{\. Give the offsets/],
  [['dead-letters', 'delete'], /no action delete\. Use list or retry/],
  [['dead-letters', '--offset', 'first'], /--offset is first/],
  [['bench'], /No job is named/],
  [['bench', 'scoring-job'], /no job scoring-job/],
  [['bench', 'feature-job', '--group', 'g'], /--in is missing/],
  [['bench', ...FEATURE_JOB, '--threads', '0'], /--threads is 0\. Give a whole number/],
  [['bench', ...FEATURE_JOB, '--guarantee', 'most'], /--guarantee is most\. Give alo or eos/],
  [['bench', ...FEATURE_JOB, '--format', 'csv'], /--format is csv\. Give json or avro/],
  [['bench', ...FEATURE_JOB, '--format', 'avro'], /--registry is missing: Avro needs schemas/],
  [['bench', ...FEATURE_JOB, '--format', 'avro', '--registry', 'here:8081'], /--registry is no address/],
  [['bench', ...FEATURE_JOB, '--registry', 'http://here:8081'], /the format is json\. Give --format avro/],
  [['demo', '--speed', '0'], /--speed is 0\. Give a number above 0/],
  [['demo', '--from', '2013-05-01', '--until', '2013-04-01'], /--until is not after --from/],
];

/** Of each command that takes so many arguments and no more; `reset` above all must not take what it does not understand. */
const TAKES: Readonly<Record<string, number>> = {
  ...{ demo: 0, up: 0, down: 0, status: 0, replay: 1, read: 1, train: 1, promote: 1, rollback: 1, verify: 1 },
  ...{ 'dead-letters': 1, run: 0, stream: 1, doctor: 0, reset: 0, bench: 1 },
};
const SURPLUS = Object.entries(TAKES).map(
  ([name, count]) =>
    [
      [name, ...Array.from({ length: count }, (_, index) => `taken-${index}`), 'surplus'],
      new RegExp(`surplus is one argument too many for \`millrace ${name}\`\\. See \`millrace ${name} --help\``),
    ] as const,
);

/** A command line that says something, which cannot be done. */
const FAILED: readonly (readonly [readonly string[], RegExp])[] = [
  [['apply', 'nowhere.yaml'], /There is no nowhere\.yaml/],
  [['apply', 'wrong.yaml'], /endpoint purchase: request: is missing/],
  [['apply', 'right.yaml'], /No Kafka answers at .*Start the platform with `npx millrace up --detach`/],
  [['rollback', 'purchase'], /No Kafka answers at /],
  [['stream', SPENDING], /No Kafka answers at /],
  [['stream', 'nowhere.ts'], /There is no nowhere\.ts/],
  [['replay', 'nowhere.jsonl'], /There is no nowhere\.jsonl/],
  [['read', 'payments'], /No Kafka answers at /],
  [['dead-letters'], /No Kafka answers at /],
];

/** Command line, exit status, words on standard error. */
const REFUSED = [
  ...[...WRONG, ...SURPLUS].map(([args, words]) => [args, 2, words] as const),
  ...FAILED.map(([args, words]) => [args, 1, words] as const),
];

describe('what is refused', { concurrency: 2 }, () => {
  before(() => {
    writeFileSync(join(folder, 'wrong.yaml'), 'kind: endpoint\nname: purchase\n');
    writeFileSync(join(folder, 'right.yaml'), 'kind: entity\nname: user\n');
  });
  for (const [args, code, words] of REFUSED)
    test(args.join(' '), async () => {
      const { code: status, out, err } = await millrace(args);
      assert.deepEqual([status, out], [code, '']);
      assert.match(err, words);
      assert.ok(err.startsWith('millrace: '), err);
    });
  for (const [args, code, words] of REFUSED.filter(([, , { source }]) => source.includes('Did you')))
    test(`${args.join(' ')} --json`, async () => {
      const { code: status, out, err } = await millrace([...args, '--json']);
      assert.deepEqual([status, out], [code, '']);
      const { error } = JSON.parse(err) as { error: Readonly<Record<string, string>> };
      assert.match(`${error['message']} ${error['fix']}`, words);
      assert.deepEqual(Object.keys(error), ['code', 'field', 'message', 'fix']);
      assert.deepEqual([error['code'], error['field'] !== ''], ['unknown_name', true]);
    });
  test('a wrong setting, before anything is done', async () => {
    const { code, err } = await millrace(['reset'], { MILLRACE_HTTP_PORT: 'eighty' });
    assert.equal(code, 1);
    assert.match(err, /MILLRACE_HTTP_PORT is eighty\. Give a whole number/);
  });
});

describe('answers for scripts, with nothing running', () => {
  const parsed = async (
    args: readonly string[],
    environment = {},
  ): Promise<{ code: number; value: Record<string, unknown>; out: string }> => {
    const { code, out } = await millrace([...args, '--json'], environment);
    return { code, out, value: JSON.parse(out) as Record<string, unknown> };
  };
  test('status and down', async () => {
    assert.deepEqual((await parsed(['status'])).value, { running: false, left: [] });
    assert.deepEqual((await parsed(['down'])).value, { stopped: false });
  });
  test('reset deletes what the platform keeps, and nothing else', async () => {
    const data = join(folder, 'kept');
    const own = ['kafka', 'state', 'clickhouse', 'logs', 'run', 'artifacts', 'training-sets'];
    for (const part of [...own, 'mine']) mkdirSync(join(data, part, 'deep'), { recursive: true });
    writeFileSync(join(data, 'demo.json'), '{}');
    const { code, value } = await parsed(['reset'], { MILLRACE_DATA_DIR: data });
    assert.equal(code, 0);
    assert.deepEqual(
      (value['deleted'] as string[]).sort(),
      [...own, 'demo.json'].map((part) => join(data, part)).sort(),
    );
    for (const part of [...own, 'demo.json']) assert.ok(!existsSync(join(data, part)), part);
    assert.ok(existsSync(join(data, 'mine', 'deep')));
  });
  test('doctor tells what is wrong with its status, and no secret', async () => {
    const secrets = {
      KAFKA_BROKERS: 'one.example:9092',
      KAFKA_SASL_MECHANISM: 'PLAIN',
      KAFKA_SASL_USERNAME: 'ada',
      KAFKA_SASL_PASSWORD: 'hunter2',
      SCHEMA_REGISTRY_URL: 'https://ada:hunter3@registry.example',
      CLICKHOUSE_URL: 'https://ada:hunter4@click.example',
    };
    const { code, value, out } = await parsed(['doctor'], { ...secrets, MILLRACE_JAVA: join(folder, 'no-java') });
    const text = await millrace(['doctor'], secrets);
    for (const shown of [out, text.out, text.err]) assert.doesNotMatch(shown, /hunter/);
    const checks = value['checks'] as { name: string; ok: boolean; detail: string }[];
    assert.equal(code, 1);
    assert.equal(value['ok'], false);
    assert.equal(checks.find(({ name }) => name.startsWith('Java'))?.ok, false);
    assert.match(checks.find(({ name }) => name === 'schema registry')?.detail ?? '', /registry\.example/);
    assert.ok((value['settings'] as string[]).includes('MILLRACE_DATA_DIR'));
  });
});

const PORTS = ['MILLRACE_HTTP_PORT', 'MILLRACE_KAFKA_PORT', 'MILLRACE_REGISTRY_PORT', 'MILLRACE_CLICKHOUSE_PORT'];

describe('a busy port', () => {
  const servers: Server[] = [];
  const listen = (): Promise<number> =>
    new Promise((resolve) => {
      const server = createServer();
      servers.push(server);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  after(() => servers.forEach((server) => server.close()));

  for (const name of PORTS)
    test(`${name}: told at once, before anything is started`, async () => {
      const data = join(folder, name);
      const busy = await listen();
      const free = await Promise.all(PORTS.map(() => listen()));
      for (const server of servers.splice(-PORTS.length)) await new Promise((resolve) => server.close(resolve));
      const ports = Object.fromEntries(PORTS.map((port, index) => [port, String(port === name ? busy : free[index])]));
      const { code, out, err } = await millrace(['up'], { ...ports, MILLRACE_DATA_DIR: data });
      assert.deepEqual([code, out], [1, '']);
      assert.match(
        err,
        new RegExp(`Port ${busy} on 127\\.0\\.0\\.1 is taken by another program\\. Set ${name} to a free port`),
      );
      assert.ok(!existsSync(join(data, 'kafka')), 'Kafka was not begun');
      assert.ok(!existsSync(join(data, 'run')), 'nothing is left that says it runs');
    });

  test('the doctor names the setting of each', async () => {
    const ports = Object.fromEntries(
      await Promise.all(PORTS.map(async (name) => [name, String(await listen())] as const)),
    );
    const { out } = await millrace(['doctor', '--json'], ports);
    const { checks } = JSON.parse(out) as { checks: { name: string; ok: boolean; detail: string }[] };
    for (const [name, port] of Object.entries(ports)) {
      const check = checks.find((one) => one.name === `port ${port}`);
      assert.deepEqual([check?.ok, check?.detail.includes(name)], [false, true], name);
    }
  });
});
