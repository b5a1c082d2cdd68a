// Where the platform answers, as its settings say.
import { type Settings, shownUrl } from '../settings.ts';

export function addressesOf({
  host,
  httpPort,
  kafkaPort,
  registryPort,
  clickhousePort,
  kafkaBrokers,
  schemaRegistryUrl,
  clickhouseUrl,
}: Settings): Readonly<Record<string, string>> {
  return {
    http: `http://${host}:${httpPort}`,
    kafka: kafkaBrokers?.join(',') ?? `${host}:${kafkaPort}`,
    registry: schemaRegistryUrl === null ? `http://${host}:${registryPort}` : shownUrl(schemaRegistryUrl),
    clickhouse: clickhouseUrl === null ? `http://${host}:${clickhousePort}` : new URL(clickhouseUrl).origin,
  };
}

export function tellAddresses(settings: Settings): string {
  const { http, kafka, registry, clickhouse } = addressesOf(settings);
  return [
    `  console, HTTP, MLflow  ${http}`,
    `  Kafka                  ${kafka}`,
    `  schema registry        ${registry}`,
    `  ClickHouse HTTP        ${clickhouse}`,
  ].join('\n');
}
