// Apache Kafka with TLS and SASL on loopback: what a real cluster asks of its clients. Certificate and users are made on the spot.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort, waitForPort } from '../../../infra/embedded/child.ts';
import { readSettings } from '../../../infra/settings.ts';

export const USER = 'ada';
export const PASSWORD = 'correct horse';
const STORE_PASSWORD = 'for-this-test';
const WITHIN_MS = 60_000;

export class SecuredBroker {
  readonly address: string;
  readonly caFile: string;
  readonly #folder: string;
  readonly #child: Child;

  private constructor(address: string, caFile: string, folder: string, child: Child) {
    this.address = address;
    this.caFile = caFile;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(): Promise<SecuredBroker> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-secured-'));
    const { java, kafkaLibs } = readSettings();
    const caFile = makeCertificate(folder);
    const [port, internal, controller] = await Promise.all([freePort(), freePort(), freePort()]);
    const config = join(folder, 'server.properties');
    writeFileSync(config, properties(folder, port, internal, controller));
    const base = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx512m', '-cp', join(kafkaLibs, '*')];
    const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${USER},password=${PASSWORD}]`,
    ]);
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'bWlsbHJhY2UtdGVzdHMtMQ', '-c', config];
    execFileSync(java, [...base, ...format, ...users], { stdio: 'pipe' });
    const logFile = join(folder, 'kafka.log');
    const child = new Child({ command: java, arguments: [...base, 'kafka.Kafka', config], logFile });
    await waitForPort(child, '127.0.0.1', port, WITHIN_MS, 'Kafka', logFile);
    return new SecuredBroker(`127.0.0.1:${port}`, caFile, folder, child);
  }

  async remove(): Promise<void> {
    await this.#child.stop(10_000);
    rmSync(this.#folder, { recursive: true });
  }
}

/** A key store for the broker; gives the certificate that its clients must trust. */
function makeCertificate(folder: string): string {
  const store = ['-keystore', join(folder, 'broker.p12'), '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD];
  const alias = ['-alias', 'broker'];
  const subject = ['-dname', 'CN=millrace-test', '-ext', 'san=ip:127.0.0.1', '-validity', '2'];
  const quiet = { stdio: 'pipe' } as const;
  execFileSync('keytool', ['-genkeypair', '-keyalg', 'RSA', '-keysize', '2048', ...alias, ...subject, ...store], quiet);
  const caFile = join(folder, 'ca.pem');
  execFileSync('keytool', ['-exportcert', '-rfc', '-file', caFile, ...alias, ...store], quiet);
  return caFile;
}

function properties(folder: string, port: number, internal: number, controller: number): string {
  mkdirSync(join(folder, 'log'));
  const login = 'org.apache.kafka.common.security';
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `CLIENTS://127.0.0.1:${port},INTERNAL://127.0.0.1:${internal},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${port},INTERNAL://127.0.0.1:${internal}`,
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CLIENTS:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'ssl.keystore.location': join(folder, 'broker.p12'),
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.password': STORE_PASSWORD,
    'listener.name.clients.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.clients.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
    'listener.name.clients.scram-sha-256.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'listener.name.clients.scram-sha-512.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'log.dirs': join(folder, 'log'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
