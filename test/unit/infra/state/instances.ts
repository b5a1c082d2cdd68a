// Two instances of a declared topology on a log in memory, with RocksDB, each with a loopback port of its own, as processes have.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { systemClock } from '../../../../infra/clock.ts';
import { removeInstanceFile, streamFile, writeInstanceFile } from '../../../../infra/instances.ts';
import { ApplicationReports } from '../../../../infra/roles/application-reports.ts';
import { healthServer, portOf } from '../../../../infra/roles/health-server.ts';
import { rocksStores } from '../../../../infra/rocksdb/rocksdb-stores.ts';
import { type Places, placesIn } from '../../../../infra/state/places.ts';
import { StateServer } from '../../../../infra/state/state-server.ts';
import { Application } from '../../../../streams/application.ts';
import { compile } from '../../../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { DEFAULT_POLICIES } from '../../../../streams/failure-policies.ts';
import { type NewRecord } from '../../../../streams/log.ts';
import { type Position } from '../../../../streams/queries/question.ts';
import { MemoryBroker } from '../../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../../streams/testing/memory-log.ts';

export interface RunningInstance {
  readonly application: Application;
  readonly server: Server;
  readonly states: StateServer;
  stop(): Promise<void>;
}

export class Instances {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-state-'));
  readonly #declared: DeclaredTopology;
  readonly #partitions: ReadonlyMap<string, number>;
  readonly #broker: MemoryBroker;
  readonly #log: MemoryLog;

  constructor(declared: DeclaredTopology, partitions: ReadonlyMap<string, number>) {
    this.#declared = declared;
    this.#partitions = partitions;
    this.#broker = new MemoryBroker({ clock: systemClock, partitionsOfMissing: () => 1 });
    this.#log = new MemoryLog({ broker: this.#broker, clock: systemClock, clientId: 'test' });
    const topics = [...partitions].map(([name, count]) => ({ name, partitions: count, config: {} }));
    this.#broker.createTopics([...topics, ...this.#compiled().topics]);
  }

  #compiled() {
    return compile(this.#declared, {
      partitions: this.#partitions,
      internalTopic: (name) => name,
      changelogTopic: (id, store) => `${id}-${store}-changelog`,
    });
  }

  /** @param places where it asks; absent: in the data folder that all share */
  async start(
    instance: string,
    commitIntervalMs = 10,
    places: Places = async () => placesIn(this.folder),
  ): Promise<RunningInstance> {
    const { id } = this.#declared;
    const application = new Application({
      ...{ spec: this.#compiled().spec, clock: systemClock, instance, live: true },
      stores: rocksStores(join(this.folder, 'state', instance)),
      log: new MemoryLog({ broker: this.#broker, clock: systemClock, clientId: instance }),
      ...{ guarantee: 'exactly-once' as const, commitIntervalMs, cacheBytesMax: 1_000_000, schemas: null },
      ...{ policies: DEFAULT_POLICIES, idleTimeoutMs: null, watermarksTopic: null },
      changelogTopic: (store) => `${id}-${store}-changelog`,
      prepare: async () => undefined,
      decodeWatermarks: () => [],
      deadLetterRecord: ({ failure }) => {
        throw failure;
      },
      watermarkRecord: () => ({ topic: 'marks', timestampMs: 0, key: null, value: null }),
    });
    await application.start();
    application.finished.catch(() => undefined);
    const reports = new ApplicationReports('stream', instance);
    reports.watch(new Map([[id, application]]));
    const states = new StateServer(() => reports.applications, places);
    const server = healthServer({
      ...{ metrics: new Registry(), reports, states, ready: () => true },
      failed: (error) => {
        throw error;
      },
    });
    await once(server, 'listening');
    const file = streamFile(this.folder, id, instance);
    writeInstanceFile(file, { role: 'stream', instance, pid: process.pid, port: portOf(server) });
    return {
      application,
      server,
      states,
      stop: async () => {
        await application.stop();
        removeInstanceFile(file);
        server.close();
      },
    };
  }

  /** @returns the offsets of the last ones, as a bound */
  async produce(records: readonly Omit<NewRecord, 'timestampMs'>[]): Promise<Position> {
    const appended = await this.#log.writer().append(records.map((record) => ({ timestampMs: 1, ...record })));
    const position: Record<string, Record<number, number>> = {};
    for (const { topic, partition, firstOffset, count } of appended)
      position[topic] = { ...position[topic], [partition]: firstOffset + count - 1 };
    return position;
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Resolves when each of them works on something, and all of it is worked on. */
export async function shared(instances: readonly RunningInstance[], partitions: number): Promise<void> {
  const counts = (): number[] => instances.map(({ application }) => application.status().tasks.length);
  while (counts().includes(0) || counts().reduce((sum, count) => sum + count, 0) < partitions)
    await systemClock.sleep(5);
}
