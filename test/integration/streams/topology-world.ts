// A broker of its own, and what topologies need to run on it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../infra/clock.ts';
import { type Connections } from '../../../infra/connect.ts';
import { type RunningBroker } from '../../../infra/embedded/broker.ts';
import { freePort } from '../../../infra/embedded/child.ts';
import { KafkaLog } from '../../../infra/kafka/kafka-log.ts';
import { EventCodec } from '../../../schemas/codec.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { type TopicSpec } from '../../../streams/log.ts';
import { MemoryRegistry } from '../../../streams/testing/memory-registry.ts';
import { startTestBroker } from './test-broker.ts';

/** Between `start` and `stop` topologies can run on it. */
export class TopologyWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-topology-'));
  readonly names = topicNames('millrace.');
  readonly #registry = Object.assign(new MemoryRegistry(), { latest: () => Promise.resolve(null) });
  readonly codec = new EventCodec(this.#registry);
  #broker: RunningBroker | null = null;
  #log: KafkaLog | null = null;

  async start(topics: readonly TopicSpec[]): Promise<void> {
    this.#broker = await startTestBroker(this.folder, await freePort());
    this.#log = this.#client('test');
    const admin = this.#log.admin();
    // what a topology shares with others it makes itself
    await admin.ensureTopics(topics);
    await admin.close();
  }

  get log(): KafkaLog {
    if (this.#log === null) throw new Error('the broker does not run');
    return this.#log;
  }

  /** of the broker */
  get address(): string {
    return this.#broker?.address ?? '';
  }

  #client(clientId: string): KafkaLog {
    return new KafkaLog({ brokers: [this.address], clientId, clock: systemClock });
  }

  /** Those of an instance; the log is its own to close. */
  connections(instance: string): Connections {
    return { log: this.#client(instance), registry: this.#registry, codec: this.codec, topics: this.names };
  }

  async stop(): Promise<void> {
    await this.#log?.close();
    await this.#broker?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
