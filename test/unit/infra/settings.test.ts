// Every setting from one place: defaults, the file, the environment; a wrong value names its setting and the fix.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import {
  SETTING_NAMES,
  brokersOf,
  clickhouseUrlOf,
  readSettings,
  registryUrlOf,
  shownUrl,
} from '../../../infra/settings.ts';
import { Failure } from '../../../schemas/failure.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-settings-'));
const file = join(folder, 'millrace.yaml');
const pem = join(folder, 'ca.pem');
writeFileSync(pem, 'a certificate');
after(() => rmSync(folder, { recursive: true }));
beforeEach(() => rmSync(file, { force: true }));

type Environment = Readonly<Record<string, string>>;
const read = (environment: Environment = {}) => readSettings(environment, folder);

const refused =
  (field: string, words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    assert.deepEqual([error.code, error.field], ['invalid_field', field]);
    assert.ok(error.message.startsWith(field), error.message);
    assert.match(error.advice, words);
    assert.notEqual(error.fix, '');
    return true;
  };

test('nothing given: everything is embedded, on loopback, below the working folder', () => {
  const settings = read();
  assert.equal(settings.dataDir, join(folder, '.millrace'));
  assert.deepEqual([settings.kafkaBrokers, settings.schemaRegistryUrl, settings.clickhouseUrl], [null, null, null]);
  assert.deepEqual([settings.kafkaTls, settings.kafkaSasl], [null, null]);
  assert.deepEqual(brokersOf(settings), ['127.0.0.1:9092']);
  assert.equal(registryUrlOf(settings), 'http://127.0.0.1:8081/apis/ccompat/v7');
  assert.equal(clickhouseUrlOf(settings), 'http://127.0.0.1:8123');
});

test('the environment goes before the file, the file before the default; an empty value is none', () => {
  writeFileSync(file, 'MILLRACE_HTTP_PORT: 9000\nMILLRACE_PARTITIONS: 8\nMILLRACE_DEVICE: cuda\n');
  const settings = read({ MILLRACE_HTTP_PORT: '9001', MILLRACE_DEVICE: '' });
  assert.deepEqual([settings.httpPort, settings.partitions, settings.device], [9001, 8, 'cpu']);
  writeFileSync(file, '# nothing yet\n');
  assert.equal(read().httpPort, 8080);
});

test('the cache folder is given in the environment, for the file is read too late', () => {
  writeFileSync(file, 'MILLRACE_CACHE_DIR: /mine\n');
  assert.throws(() => read(), refused('MILLRACE_CACHE_DIR', /stands in .*millrace\.yaml.*Set it in the environment/));
  writeFileSync(file, '# nothing yet\n');
  assert.doesNotThrow(() => read({ MILLRACE_CACHE_DIR: '/mine' }));
});

test('checkpoints have a place, or there are none', () => {
  assert.equal(read({ MILLRACE_CHECKPOINT_INTERVAL_MS: '1000' }).checkpoints, null);
  assert.deepEqual(read({ MILLRACE_CHECKPOINTS: 's3://bucket/a' }).checkpoints, {
    ...{ place: 's3://bucket/a', s3Endpoint: null, intervalMs: 300_000 },
  });
  for (const place of ['bucket', 'file://here', 'gs://bucket/a'])
    assert.throws(() => read({ MILLRACE_CHECKPOINTS: place }), refused('MILLRACE_CHECKPOINTS', /file:.*s3:/));
});

test('states are read from elsewhere with a token only', () => {
  assert.deepEqual([read().stateListener, read().stateToken], [null, null]);
  const token = 'sixteen-letters!';
  const given = (host: string, more: Environment = {}) =>
    read({ MILLRACE_ADVERTISED_HOST: host, MILLRACE_STATE_TOKEN: token, ...more });
  assert.deepEqual([read({ MILLRACE_STATE_TOKEN: token }).stateListener, given('m1').stateToken], [null, token]);
  // a name may mean loopback on its own machine; an address is what it is
  assert.deepEqual(given('m1.example').stateListener, { advertisedHost: 'm1.example', host: null, port: 0 });
  assert.deepEqual(given('fe80::1').stateListener, { advertisedHost: 'fe80::1', host: 'fe80::1', port: 0 });
  assert.deepEqual(given('m1', { MILLRACE_STATE_HOST: '10.0.0.7', MILLRACE_STATE_PORT: '7070' }).stateListener, {
    ...{ advertisedHost: 'm1', host: '10.0.0.7', port: 7070 },
  });
  assert.throws(() => read({ MILLRACE_ADVERTISED_HOST: 'm1' }), refused('MILLRACE_STATE_TOKEN', /is missing/));
  for (const wrong of ['http://m1', 'm1/x', 'm 1'])
    assert.throws(() => given(wrong), refused('MILLRACE_ADVERTISED_HOST', /./));
  assert.throws(() => given('m1', { MILLRACE_STATE_PORT: '70000' }), refused('MILLRACE_STATE_PORT', /from 0 to 65535/));
});

test('what points to clusters is passed on', () => {
  const settings = read({
    KAFKA_BROKERS: 'one:9092, two:9093',
    SCHEMA_REGISTRY_URL: 'https://ada:secret@registry.example/v7/',
    CLICKHOUSE_URL: 'https://ada:secret@click.example:8443',
  });
  assert.deepEqual(brokersOf(settings), ['one:9092', 'two:9093']);
  assert.equal(registryUrlOf(settings), 'https://ada:secret@registry.example/v7');
  assert.equal(clickhouseUrlOf(settings), 'https://ada:secret@click.example:8443');
});

test('TLS: files are read, and verification is on unless told otherwise', () => {
  assert.deepEqual(read({ KAFKA_TLS: 'true' }).kafkaTls, { rejectUnauthorized: true });
  const files = { KAFKA_TLS_CA_FILE: pem, KAFKA_TLS_CERT_FILE: pem, KAFKA_TLS_KEY_FILE: pem };
  assert.deepEqual(read({ KAFKA_TLS: 'true', ...files, KAFKA_TLS_INSECURE: 'true' }).kafkaTls, {
    rejectUnauthorized: false,
    ca: 'a certificate',
    cert: 'a certificate',
    key: 'a certificate',
  });
  assert.equal(read(files).kafkaTls, null);
});

test('SASL: mechanism, user and password', () => {
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const given = { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: 'ada', KAFKA_SASL_PASSWORD: 'pa ss' };
    assert.deepEqual(read(given).kafkaSasl, { mechanism, username: 'ada', password: 'pa ss' });
  }
});

const INTEGERS = [
  'MILLRACE_HTTP_PORT',
  'MILLRACE_GRPC_PORT',
  'MILLRACE_KAFKA_PORT',
  'MILLRACE_REGISTRY_PORT',
  'MILLRACE_CLICKHOUSE_PORT',
  'MILLRACE_PARTITIONS',
  'MILLRACE_FEATURE_WORKERS',
  'MILLRACE_SCORING_WORKERS',
  'MILLRACE_COMMIT_INTERVAL_MS',
  'MILLRACE_KAFKA_HEAP_MB',
];
const WRONG: readonly (readonly [string, string, RegExp])[] = [
  ...INTEGERS.flatMap((name) =>
    ['0', '-1', '1.5', 'many', '99999999'].map(
      (value) => [name, value, /Give a whole number from \d+ to \d+/] as const,
    ),
  ),
  ['MILLRACE_HTTP_PORT', '65536', /from 1 to 65535/],
  ['MILLRACE_TIME', 'replay', /Give one of: live, event/],
  ['MILLRACE_DEVICE', 'gpu', /Give one of: cpu, cuda/],
  ['MILLRACE_LOG_LEVEL', 'verbose', /Give one of: trace/],
  ['MILLRACE_HOST', '0.0.0.0', /no authentication is configured.*Use 127\.0\.0\.1/],
  ['SCHEMA_REGISTRY_URL', 'registry:8081', /no address.*Give http/],
  ['SCHEMA_REGISTRY_URL', 'not an address', /no address/],
  ['CLICKHOUSE_URL', 'ftp://click.example', /no address/],
  ['KAFKA_TLS', 'yes', /Give one of: false, true/],
  ['KAFKA_SASL_MECHANISM', 'GSSAPI', /Give one of: PLAIN/],
];
for (const [name, value, words] of WRONG)
  test(`${name} cannot be ${value}`, () => assert.throws(() => read({ [name]: value }), refused(name, words)));

test('half of what belongs together is refused', () => {
  const missing = join(folder, 'missing.pem');
  for (const name of ['KAFKA_TLS_CA_FILE', 'KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'])
    assert.throws(() => read({ KAFKA_TLS: 'true', [name]: missing }), refused(name, /does not exist.*PEM file/));
  for (const given of ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'])
    assert.throws(
      () => read({ KAFKA_SASL_MECHANISM: 'PLAIN', [given]: 'ada' }),
      refused('KAFKA_SASL_USERNAME', /or KAFKA_SASL_PASSWORD is missing/),
    );
});

test('two parts cannot have one port, unless one of them is elsewhere', () => {
  const same = { MILLRACE_KAFKA_PORT: '8080' };
  assert.throws(() => read(same), refused('MILLRACE_KAFKA_PORT', /is 8080, which is MILLRACE_HTTP_PORT too/));
  assert.equal(read({ ...same, KAFKA_BROKERS: 'one:9092' }).kafkaPort, 8080);
  const names = INTEGERS.filter((name) => name.endsWith('_PORT'));
  for (const name of names)
    for (const other of names)
      if (name !== other)
        assert.throws(
          () => read({ [name]: '7000', [other]: '7000' }),
          (error: unknown) => error instanceof Failure && error.advice.includes(name) && error.advice.includes(other),
        );
});

test('a name that is no setting is refused with the nearest, in the environment and in the file', () => {
  assert.throws(
    () => read({ MILLRACE_HTP_PORT: '1' }),
    refused('MILLRACE_HTP_PORT', /environment.*Did you mean MILLRACE_HTTP_PORT\?/),
  );
  assert.throws(() => read({ MILLRACE_XYZZY: '1' }), refused('MILLRACE_XYZZY', /Remove it/));
  assert.doesNotThrow(() => read({ MILLRACE_TEST_SEED: '1', HTTP_PORT: '1', KAFKA_HOME: '/opt' }));
  writeFileSync(file, 'KAFKA_BROKER: one:9092\n');
  assert.throws(() => read(), refused('KAFKA_BROKER', /millrace\.yaml.*Did you mean KAFKA_BROKERS\?/));
  writeFileSync(file, 'MILLRACE_HOST: [\n');
  assert.throws(() => read(), refused(file, /is no YAML/));
  writeFileSync(file, 'MILLRACE_HOST:\n');
  assert.equal(read().host, '127.0.0.1');
  writeFileSync(file, '- one\n- two\n');
  assert.throws(() => read(), refused(file, /holds no settings/));
});

test('a password is in no message', () => {
  for (const name of ['SCHEMA_REGISTRY_URL', 'CLICKHOUSE_URL'])
    assert.throws(
      () => read({ [name]: 'ftp://ada:hunter2@click.example' }),
      (error: unknown) =>
        error instanceof Failure && !error.advice.includes('hunter2') && error.advice.includes('click.example'),
    );
  assert.throws(
    () => read({ MILLRACE_STATE_TOKEN: 'hunter2' }),
    (error: unknown) => error instanceof Failure && !error.advice.includes('hunter2'),
  );
  assert.equal(shownUrl('https://ada:hunter2@click.example:8443/x'), 'https://***@click.example:8443/x');
  assert.equal(shownUrl('http://click.example/a@b'), 'http://click.example/a@b');
});

test('every name that the source reads is listed once', () =>
  assert.equal(new Set(SETTING_NAMES).size, SETTING_NAMES.length));
