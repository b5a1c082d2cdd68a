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
import { type CompiledTopology } from '../../../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { type NewRecord } from '../../../../streams/log.ts';
import { type Position } from '../../../../streams/queries/question.ts';
import { MemoryBroker } from '../../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../../streams/testing/memory-log.ts';
import { compiledOn, plainOptions } from '../../../fakes/plain-engine.ts';

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
    this.#broker.createTopics(this.#compiled().topics);
  }

  #changelogTopic(store: string): string {
    return `${this.#declared.id}-${store}-changelog`;
  }

  #compiled(): CompiledTopology {
    return compiledOn(this.#declared, this.#partitions, (store) => this.#changelogTopic(store));
  }

  /** @param places where it asks; absent: in the data folder that all share */
  async start(
    instance: string,
    commitIntervalMs = 10,
    places: Places = async () => placesIn(this.folder),
  ): Promise<RunningInstance> {
    const { id } = this.#declared;
    const application = new Application({
      ...plainOptions((store) => this.#changelogTopic(store)),
      ...{ spec: this.#compiled().spec, clock: systemClock, instance, commitIntervalMs },
      stores: rocksStores(join(this.folder, 'state', instance)),
      log: new MemoryLog({ broker: this.#broker, clock: systemClock, clientId: instance }),
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
