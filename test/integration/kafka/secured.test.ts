// TLS and SASL settings reach the brokers; what is wrong with them is said at once, naming the setting and no secret.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from '../../../infra/connect.ts';
import { readSettings } from '../../../infra/settings.ts';
import { Failure } from '../../../schemas/failure.ts';
import { PASSWORD, SecuredBroker, USER } from './secured-broker.ts';

const TOPIC = { name: 'secured', partitions: 1, config: {} };
let broker: SecuredBroker;
let good: Readonly<Record<string, string>>;

function logOf(environment: Readonly<Record<string, string>>) {
  return connect(readSettings({ ...process.env, ...environment }, tmpdir()), 'test').log;
}

/** Milliseconds until it is refused, and how. */
async function refusal(environment: Readonly<Record<string, string>>): Promise<{ failure: Failure; tookMs: number }> {
  const log = logOf({ ...good, ...environment });
  const beganMs = performance.now();
  try {
    await log.admin().listTopics();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return { failure: error, tookMs: performance.now() - beganMs };
  } finally {
    await log.close();
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('a broker with TLS and SASL', () => {
  before(async () => {
    broker = await SecuredBroker.start();
    good = {
      KAFKA_BROKERS: broker.address,
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: broker.caFile,
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: USER,
      KAFKA_SASL_PASSWORD: PASSWORD,
    };
  });
  after(() => broker.remove());

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    it(`${mechanism}: what is written in a transaction is read`, async () => {
      const log = logOf({ ...good, KAFKA_SASL_MECHANISM: mechanism });
      await log.admin().ensureTopics([TOPIC]);
      const session = await log.transactions(`test-${mechanism}`, 10_000);
      session.begin();
      const value = Buffer.from(mechanism);
      const [appended] = await session.append([{ topic: TOPIC.name, partition: 0, timestampMs: 1, key: null, value }]);
      await session.commit();
      const reader = log.reader();
      reader.assign({ topic: TOPIC.name, partition: 0 }, appended?.firstOffset ?? 0);
      const found: (string | undefined)[] = [];
      while (found.length === 0)
        for (const { records } of await reader.poll(1000))
          found.push(...records.map((record) => record.value?.toString()));
      assert.deepEqual(found, [mechanism]);
      await reader.close();
      await session.close();
      await log.close();
    });

  const WRONG: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['a wrong password', { KAFKA_SASL_PASSWORD: 'wrong horse' }, 'KAFKA_SASL_PASSWORD'],
    ['an unknown user', { KAFKA_SASL_USERNAME: 'bob', KAFKA_SASL_MECHANISM: 'PLAIN' }, 'KAFKA_SASL_PASSWORD'],
    ['a certificate that nobody vouches for', { KAFKA_TLS_CA_FILE: '' }, 'KAFKA_TLS_CA_FILE'],
  ];
  for (const [what, environment, field] of WRONG)
    it(`${what} is said at once`, async () => {
      const { failure, tookMs } = await refusal(environment);
      assert.deepEqual([failure.code, failure.field], ['unauthorized', field], failure.advice);
      assert.ok(failure.advice.includes(field) && failure.advice.includes(broker.address), failure.advice);
      assert.ok(tookMs < 10_000, `${tookMs} ms`);
    });

  it('without verification any certificate will do', async () => {
    const log = logOf({ ...good, KAFKA_TLS_CA_FILE: '', KAFKA_TLS_INSECURE: 'true' });
    assert.ok((await log.admin().listTopics()).includes(TOPIC.name));
    await log.close();
  });

  it('a role that is refused ends with the reason in its log, and no secret', async () => {
    const registry = createServer((_request, response) => response.writeHead(401).end('{}'));
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    const { port } = registry.address() as AddressInfo;
    const secrets = {
      ...good,
      KAFKA_SASL_PASSWORD: 'hunter2',
      SCHEMA_REGISTRY_URL: `http://ada:hunter3@127.0.0.1:${port}`,
      CLICKHOUSE_URL: 'http://ada:hunter4@127.0.0.1:1',
      MILLRACE_LOG_LEVEL: 'trace',
    };
    // the one asks Kafka first, the other the registry
    for (const [role, words] of [
      ['features', /refuses our user or password\. Check KAFKA_SASL_MECHANISM/],
      ['gateway', /The schema registry refuses us .*SCHEMA_REGISTRY_URL/],
    ] as const) {
      const { code, text } = await runRole(role, secrets);
      assert.equal(code, 1, text);
      assert.match(text, words);
      assert.doesNotMatch(text, /hunter|correct horse/);
    }
    registry.close();
  });
});

async function runRole(
  role: string,
  environment: Readonly<Record<string, string>>,
): Promise<{ code: unknown; text: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-refused-'));
  const program = new URL('../../../infra/roles/main.ts', import.meta.url).pathname;
  const env = { ...process.env, ...environment, MILLRACE_DATA_DIR: folder };
  const ended = await new Promise<{ code: unknown; text: string }>((resolve) => {
    execFile(process.execPath, [program, '--role', role], { env, timeout: 30_000 }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, text: out + err }),
    );
  });
  rmSync(folder, { recursive: true });
  return ended;
}
