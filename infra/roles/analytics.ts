// The analytics role: every topic into ClickHouse.
import { Gauge, type Registry } from 'prom-client';
import { loadEventSchemas } from '../../schemas/codec.ts';
import { type EventName } from '../../schemas/events.generated.ts';
import { declared, declaredTopics } from '../../streams/topology.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import { Sink, type TopicKind } from '../clickhouse/sink.ts';
import { createViews } from '../clickhouse/tables.ts';
import { tableOf } from '../../serving/analytics/sql.ts';
import { AppliedDefinitions } from '../definition-follower.ts';
import { EventFollower } from '../event-follower.ts';
import { clickhouseUrlOf } from '../settings.ts';
import { type RoleContext, type RunningRole } from './context.ts';

export async function run(context: RoleContext): Promise<RunningRole> {
  const { kafka, clock, codec, registry, settings, topics, metrics } = context;
  const sql = new ClickHouseSql(clickhouseUrlOf(settings), clock);
  const reader = kafka.reader();
  const sink = new Sink({
    sql,
    reader,
    avro: codec.reader,
    registry,
    clock,
    prefix: settings.topicPrefix,
  });
  await sink.open();
  const admin = kafka.admin();
  const schemas = loadEventSchemas();
  const add = async (names: readonly string[], kind: TopicKind, event?: EventName): Promise<void> => {
    for (const [topic, partitions] of await admin.partitionsOf(names)) {
      const bounds = await admin.offsets(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
      await sink.add(topic, bounds, kind, event && schemas.get(event));
    }
  };
  // before the watermarks, so that a mark always finds the topics that it speaks of
  const definitions = new AppliedDefinitions();
  let changed = true;
  const follower = new EventFollower(kafka, codec, (event) => {
    definitions.apply(event);
    if (event.name === 'DefinitionApplied') changed = true;
  });
  await follower.start([topics.lifecycle], (error) => context.failed(error));
  const takeNew = async (): Promise<void> => {
    if (!changed) return;
    changed = false;
    // what the platform itself will write can be asked for before it does
    for (const { name } of definitions.endpoints) {
      await add([topics.predictions(name)], 'rows', 'Prediction');
      await add([topics.results(name)], 'rows', 'Result');
    }
    const wanted = declaredTopics(topics, declared(definitions.all), settings.partitions).map(({ name }) => name);
    const internal = [topics.repartition(''), topics.changelog('', '').slice(0, -1)];
    await add(
      wanted.filter((name) => !internal.some((prefix) => name.startsWith(prefix))),
      'rows',
    );
  };
  await takeNew();
  await add([topics.lifecycle, topics.metrics, topics.commands], 'events');
  await add([topics.statistics], 'rows', 'Statistic');
  await add([topics.deadLetters], 'rows', 'DeadLetter');
  await add([topics.watermarks], 'watermarks');
  await makeViews(sql, context);
  tellProgress(metrics, sink);
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      await takeNew();
      await sink.round();
    }
  })();
  loop.catch((error: unknown) => context.failed(error));
  return {
    async stop() {
      stopped = true;
      await loop.catch(() => undefined);
      await follower.stop();
      await Promise.all([reader.close(), admin.close()]);
    },
  };
}

async function makeViews(sql: ClickHouseSql, { topics, settings: { topicPrefix } }: RoleContext): Promise<void> {
  for (const view of createViews(tableOf(topics.lifecycle, topicPrefix), tableOf(topics.metrics, topicPrefix)))
    await sql.exec(view);
}

function tellProgress(metrics: Registry, sink: Sink): void {
  new Gauge({
    name: 'millrace_warehouse_lag_records',
    help: 'Records not yet in ClickHouse',
    registers: [metrics],
    collect() {
      this.set(sink.status().lag);
    },
  });
  new Gauge({
    name: 'millrace_warehouse_rows',
    help: 'Rows inserted since the start',
    labelNames: ['table'],
    registers: [metrics],
    collect() {
      for (const [table, rows] of sink.status().rows) this.set({ table }, rows);
    },
  });
}
