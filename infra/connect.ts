// The log and the registry as the settings name them.
import { EventCodec, type SchemaRegistry, type SubjectSchemas } from '../schemas/codec.ts';
import { type TopicNames, topicNames } from '../schemas/topics.ts';
import { type Log } from '../streams/log.ts';
import { systemClock } from './clock.ts';
import { KafkaLog } from './kafka/kafka-log.ts';
import { HttpSchemaRegistry } from './registry.ts';
import { type Settings, brokersOf, registryUrlOf } from './settings.ts';

export interface Connections {
  readonly log: Log;
  readonly registry: SchemaRegistry & SubjectSchemas;
  readonly codec: EventCodec;
  readonly topics: TopicNames;
}

export function connect(settings: Settings, clientId: string): Connections {
  const registry = new HttpSchemaRegistry(registryUrlOf(settings), systemClock);
  const log = new KafkaLog({
    brokers: brokersOf(settings),
    clientId: `millrace-${clientId}`,
    clock: systemClock,
    ...(settings.kafkaTls === null ? {} : { tls: settings.kafkaTls }),
    ...(settings.kafkaSasl === null ? {} : { sasl: settings.kafkaSasl }),
  });
  return { log, registry, codec: new EventCodec(registry), topics: topicNames(settings.topicPrefix) };
}
