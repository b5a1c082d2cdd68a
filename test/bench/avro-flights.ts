// The peers' flights in Avro, on their broker: the same events at the same partitions, keys and timestamps, copied once and kept. So
// is the registry that knows their schema: it keeps its own in a topic of that broker.
import { join } from 'node:path';
import { systemClock } from '../../infra/clock.ts';
import { freePort } from '../../infra/embedded/child.ts';
import { startRegistry } from '../../infra/embedded/registry.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { HttpSchemaRegistry } from '../../infra/registry.ts';
import { readSettings } from '../../infra/settings.ts';
import { AvroCodec, type AvroSchema } from '../../schemas/codec.ts';
import { type NewRecord } from '../../streams/log.ts';
import { say } from './outcome.ts';
import { BROKER, work } from './peers.ts';
import { endsOf, readAll } from './read-topic.ts';

const FLIGHT: AvroSchema = {
  type: 'record',
  name: 'Flight',
  namespace: 'flights',
  fields: [
    { name: 'ts', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ...['tailnum', 'carrier', 'origin', 'dest'].map((name) => ({ name, type: 'string' })),
    ...['flight', 'distance'].map((name) => ({ name, type: 'int' })),
    { name: 'sched', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'dep_delay', type: 'double' },
    { name: 'arr_delay', type: ['null', 'int'] },
  ],
};

export interface PeersRegistry {
  readonly url: string;
  readonly registry: HttpSchemaRegistry;
  stop(): Promise<void>;
  /** at once, for who ends */
  kill(): void;
}

/** The platform's own registry on a free port, with its schemas on the peers' broker. */
export async function startPeersRegistry(): Promise<PeersRegistry> {
  const { registryHome, java } = readSettings();
  const [host, port] = ['127.0.0.1', await freePort()];
  const running = await startRegistry({
    ...{ home: registryHome, logFile: join(work, 'logs/registry.log'), host, port, java, brokers: BROKER },
  });
  try {
    await running.ready();
  } catch (error) {
    running.child.kill();
    throw error;
  }
  const url = `http://${host}:${port}/apis/ccompat/v7`;
  return {
    url,
    registry: new HttpSchemaRegistry(url, systemClock),
    stop: running.stop,
    kill: () => running.child.kill(),
  };
}

/** The name of the topic with the same events in Avro; it is made when it is not there, or is not whole. */
export async function avroFlights(topic: string, registry: HttpSchemaRegistry): Promise<string> {
  const copy = `${topic}-avro`;
  const log = new KafkaLog({ brokers: [BROKER], clientId: 'bench-avro', clock: systemClock });
  const wanted = await endsOf(log, topic);
  const found = await endsOf(log, copy);
  if (String(found) !== String(wanted)) {
    say(`writes ${topic} as ${copy}, once`);
    const admin = log.admin();
    if (found.length > 0) await admin.deleteTopics([copy]);
    await admin.ensureTopics([{ name: copy, partitions: wanted.length, config: {} }]);
    await admin.close();
    const codec = new AvroCodec(await registry.register(`${copy}-value`, FLIGHT), FLIGHT);
    const writer = log.writer();
    await readAll(log, topic, async (records) => {
      const written = records.map(({ partition, timestampMs, key, value }): NewRecord => {
        const flight: unknown = JSON.parse(String(value));
        return { topic: copy, partition, timestampMs, key, value: codec.encode(flight) };
      });
      await writer.append(written);
    });
    await writer.close();
  }
  await log.close();
  return copy;
}
