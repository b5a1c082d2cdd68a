// A broker, events that come in, and what the feature job must have made of them: a running count, sum and maximum for each key.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  IncrementalAlterConfigOperationTypes,
  ConfigResourceTypes,
  Connection,
  incrementalAlterConfigsV1,
} from '@platformatic/kafka';
import { systemClock } from '../../../infra/clock.ts';
import { type RunningBroker } from '../../../infra/embedded/broker.ts';
import { freePort } from '../../../infra/embedded/child.ts';
import { KafkaLog } from '../../../infra/kafka/kafka-log.ts';
import { type NewRecord } from '../../../streams/log.ts';
import { JobProcess, PATIENCE_MS } from './job-process.ts';
import { startTestBroker } from './test-broker.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2013, 0, 1);
const ROUND_MS = 20;
/** The shortest that the broker allows: what these tests wait for most. */
const SESSION_TIMEOUT_MS = 3000;
const COMMIT_MS = 100;

interface OutputRow {
  readonly k: string;
  readonly p: number;
  readonly count_7d: number;
  readonly sum_7d: number;
  readonly max_7d: number;
}

interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly row: OutputRow;
}

interface Tally {
  count: number;
  sum: number;
  max: number;
  readonly sequence: number[];
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-groups-'));
  #broker: RunningBroker | null = null;
  #log: KafkaLog | null = null;
  #names = 0;

  async start(): Promise<void> {
    await this.#startBroker(await freePort());
  }

  async #startBroker(port: number): Promise<void> {
    this.#broker = await startTestBroker(this.folder, port);
    this.#log ??= this.client();
  }

  /** @param how killed brokers have to recover their logs first */
  async restartBroker(how: 'stopped' | 'killed'): Promise<void> {
    const { address, child } = this.broker;
    if (how === 'killed') {
      child.kill();
      await child.exited;
    } else await this.broker.stop();
    await this.#startBroker(Number(address.slice(address.lastIndexOf(':') + 1)));
  }

  get broker(): RunningBroker {
    if (this.#broker === null) throw new Error('the broker does not run');
    return this.#broker;
  }

  get log(): KafkaLog {
    if (this.#log === null) throw new Error('the broker does not run');
    return this.#log;
  }

  client(): KafkaLog {
    return new KafkaLog({ brokers: [this.broker.address], clientId: 'world', clock: systemClock });
  }

  async stop(): Promise<void> {
    await this.#log?.close();
    await this.#broker?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A job of its own: group, topics and state folder. @param sessionMs after which the group gives up a silent instance */
  async job(partitions: number, keys: number, sessionMs = SESSION_TIMEOUT_MS): Promise<Job> {
    this.#names += 1;
    const group = `job-${this.#names}`;
    const admin = this.log.admin();
    await admin.ensureTopics([
      { name: `${group}-in`, partitions, config: {} },
      { name: `${group}-out`, partitions, config: {} },
    ]);
    await admin.close();
    await this.#setSessions(group, sessionMs);
    return new Job(this, group, partitions, keys);
  }

  async #setSessions(group: string, sessionMs: number): Promise<void> {
    const [host = '', port = ''] = this.broker.address.split(':');
    const connection = new Connection('world');
    await connection.connect(host, Number(port));
    const setting = (name: string, value: number) => ({
      ...{ name, value: String(value), configOperation: IncrementalAlterConfigOperationTypes.SET },
    });
    const configs = [setting('streams.session.timeout.ms', sessionMs), setting('streams.heartbeat.interval.ms', 500)];
    await incrementalAlterConfigsV1.api.async(
      connection,
      [{ resourceType: ConfigResourceTypes.GROUP, resourceName: group, configs }],
      false,
    );
    await connection.close();
  }
}

export class Job {
  readonly group: string;
  readonly partitions: number;
  readonly keys: number;
  readonly #world: World;
  readonly #expected = new Map<string, Tally>();
  readonly #processes: JobProcess[] = [];
  #sequence = 0;
  #feeding: { stop: boolean; done: Promise<void> } | null = null;

  constructor(world: World, group: string, partitions: number, keys: number) {
    this.#world = world;
    this.group = group;
    this.partitions = partitions;
    this.keys = keys;
  }

  get sent(): number {
    return this.#sequence;
  }

  get stateDir(): string {
    return join(this.#world.folder, this.group);
  }

  /** @param machine whose disk the state lies on */
  launch(
    instance: string,
    {
      machine = 'disk',
      comesBack = false,
      ...more
    }: { readonly standbyReplicas?: number; readonly comesBack?: boolean; readonly machine?: string } = {},
  ): JobProcess {
    const { group } = this;
    const process = new JobProcess({
      ...{ brokers: [this.#world.broker.address], group, input: `${group}-in`, output: `${group}-out` },
      ...{
        guarantee: 'exactly-once',
        commitMs: COMMIT_MS,
        stateDir: join(this.stateDir, machine),
        instance,
        comesBack,
      },
      ...more,
    });
    this.#processes.push(process);
    return process;
  }

  /** Sends events until `stopFeeding`. */
  feed(perRound: number): void {
    const writer = this.#world.log.writer();
    const feeding = { stop: false, done: Promise.resolve() };
    const run = async (): Promise<void> => {
      while (!feeding.stop) {
        await writer.append(this.#events(perRound));
        await systemClock.sleep(ROUND_MS);
      }
      await writer.close();
    };
    feeding.done = run();
    this.#feeding = feeding;
  }

  async stopFeeding(): Promise<void> {
    if (this.#feeding === null) return;
    this.#feeding.stop = true;
    await this.#feeding.done;
    this.#feeding = null;
  }

  async send(count: number): Promise<void> {
    const writer = this.#world.log.writer();
    await writer.append(this.#events(count));
    await writer.close();
  }

  #events(count: number) {
    return Array.from({ length: count }, () => {
      const sequence = this.#sequence;
      this.#sequence += 1;
      const key = `key-${sequence % this.keys}`;
      const delay = ((sequence * 7919) % 241) - 60;
      const tally = this.#expected.get(key) ?? { count: 0, sum: 0, max: -Infinity, sequence: [] };
      tally.count += 1;
      tally.sum += delay;
      tally.max = Math.max(tally.max, delay);
      tally.sequence.push(sequence);
      this.#expected.set(key, tally);
      // all within one window, and in their order
      const ts = START_MS + Math.floor((sequence * DAY_MS) / 1_000_000);
      const value = Buffer.from(JSON.stringify({ ts, dep_delay: delay, p: sequence }));
      // not the event's time: Kafka forgets, at its restart, producers whose last record is older than a day, and takes a repeated
      // batch for a new one then
      return { topic: `${this.group}-in`, timestampMs: systemClock.nowMs(), key: Buffer.from(key), value };
    });
  }

  /** An output that does not belong there. */
  stray(partition: number): NewRecord {
    const value = Buffer.from(JSON.stringify({ k: 'stray', p: -1 }));
    return { topic: `${this.group}-out`, partition, timestampMs: START_MS, key: Buffer.from('stray'), value };
  }

  /** Waits until all that was sent is behind the group's committed offsets: who is killed then has nothing to handle again. */
  async untilCommitted(): Promise<void> {
    const admin = this.#world.log.admin();
    const untilMs = systemClock.monotonicMs() + PATIENCE_MS;
    const committed = async (): Promise<number> =>
      (await admin.groupOffsets(this.group)).reduce((sum, { offset }) => sum + Math.max(0, offset), 0);
    try {
      for (let events = await committed(); events < this.sent; events = await committed()) {
        assert.ok(systemClock.monotonicMs() < untilMs, `${events} of ${this.sent} events are committed`);
        await systemClock.sleep(50);
      }
    } finally {
      await admin.close();
    }
  }

  /** Waits until one row per event is there, and checks that each is what it has to be, in its key's order, and nothing besides. */
  async checkOutput(): Promise<void> {
    await this.stopFeeding();
    const rows = await this.#read('out', this.#sequence);
    if (rows.length !== this.#sequence) await this.#explain(rows);
    for (const [key, of] of Map.groupBy(rows, ({ row: { k } }) => k)) {
      const tally = this.#expected.get(key);
      assert.deepEqual(
        of.map(({ row: { p } }) => p),
        tally?.sequence,
        `the events of ${key}, each once and in their order`,
      );
      of.forEach(({ row }, index) => assert.equal(row.count_7d, index + 1, `count of ${key}`));
      const last = of.at(-1)?.row;
      assert.deepEqual([last?.count_7d, last?.sum_7d, last?.max_7d], [tally?.count, tally?.sum, tally?.max], key);
    }
  }

  /** @throws what is there too often, or not at all, in the input and in the output */
  async #explain(rows: readonly Read[]): Promise<never> {
    const input = await this.#read('in', this.#sequence);
    assert.fail(
      [
        `${rows.length} rows for ${this.#sequence} events, ${input.length} of them in the input`,
        `input: ${wrongOf(input, this.#sequence)}`,
        `output: ${wrongOf(rows, this.#sequence)}`,
      ].join('\n'),
    );
  }

  /** All that is committed, once there are as many as `count`, or more. */
  async #read(what: 'in' | 'out', count: number): Promise<Read[]> {
    const log = this.#world.client();
    const admin = log.admin();
    const reader = log.reader();
    const topic = `${this.group}-${what}`;
    const places = Array.from({ length: this.partitions }, (_, partition) => ({ topic, partition }));
    for (const at of places) reader.assign(at, 0);
    const all: Read[] = [];
    const reached = new Map<number, number>();
    const untilMs = systemClock.monotonicMs() + 60_000;
    for (;;) {
      for (const { partition, records, nextOffset } of await reader.poll(200)) {
        reached.set(partition, nextOffset);
        for (const { offset, value } of records)
          all.push({ partition, offset, row: JSON.parse(String(value)) as OutputRow });
      }
      if (all.length < count && systemClock.monotonicMs() < untilMs) continue;
      // nothing may come after it: no transaction is open, and everything was read
      const bounds = await admin.offsets(places);
      if (bounds.every(({ partition, highWatermark }) => (reached.get(partition) ?? 0) >= highWatermark)) break;
      assert.ok(systemClock.monotonicMs() < untilMs, `${all.length} of ${count} rows came, and transactions are open`);
    }
    await reader.close();
    await log.close();
    return all;
  }

  /** Records that the changelog holds, the markers of transactions among them. */
  async changelogEnd(): Promise<number> {
    const admin = this.#world.log.admin();
    const topic = `millrace.changelog.${this.group}.features`;
    const bounds = await admin.offsets(
      Array.from({ length: this.partitions }, (_, partition) => ({ topic, partition })),
    );
    return bounds.reduce((sum, { highWatermark, start }) => sum + highWatermark - start, 0);
  }

  async end(): Promise<void> {
    await this.stopFeeding();
    for (const process of this.#processes) {
      process.signal('SIGCONT');
      if (!process.hasExited) await process.kill();
    }
  }
}

function wrongOf(all: readonly Read[], count: number): string {
  const bySequence = Map.groupBy(all, ({ row: { p } }) => p);
  const twice = [...bySequence].filter(([, places]) => places.length > 1);
  const missing = Array.from({ length: count }, (_, sequence) => sequence).filter((one) => !bySequence.has(one));
  const shown = twice
    .slice(0, 30)
    .map(([p, places]) => `${p} at ${places.map(({ partition, offset }) => `${partition}/${offset}`).join(' and ')}`);
  return `${twice.length} twice: ${shown.join(', ')}; ${missing.length} missing: ${missing.slice(0, 30).join(', ')}`;
}
