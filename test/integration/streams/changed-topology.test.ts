// A topology that is changed between two runs on Apache Kafka: a named part goes on from its state, a start that would lose one is refused.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readSettings } from '../../../infra/settings.ts';
import { runTopology } from '../../../infra/topology-runner.ts';
import { type DeclaredTopology } from '../../../streams/builder/declaration.ts';
import { json, text } from '../../../streams/builder/format.ts';
import { type Stream } from '../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../streams/builder/topology.ts';
import { TopologyWorld } from './topology-world.ts';

interface Payment {
  readonly card: string;
}

const cardOf = ({ card }: Payment): string => card;
const declare = (steps: (builder: TopologyBuilder) => void): DeclaredTopology => topology('cards', steps);
const counted = (payments: Stream<Payment>, name: string): void =>
  payments
    .process<number, string>(name, {
      state: json(),
      each: (_, { key, state = 0, setState, emit }) => {
        setState(state + 1);
        emit(`${key} ${state + 1}`);
      },
    })
    .to(name, text);

const first = declare(({ stream }) => {
  const payments = stream('payments', json<Payment>());
  counted(payments.keyBy(cardOf), 'unnamed');
  counted(payments.keyBy(cardOf, { name: 'by-card' }), 'named');
});

const COUNTS = { payments: 2, refunds: 3, named: 2, unnamed: 2, refunded: 2 };
const world = new TopologyWorld();
before(() => world.start(Object.entries(COUNTS).map(([name, partitions]) => ({ name, partitions, config: {} }))));
after(() => world.stop());

async function pay(): Promise<void> {
  const writer = world.log.writer();
  await writer.append([{ topic: 'payments', timestampMs: Date.now(), key: null, value: Buffer.from('{"card":"c"}') }]);
  await writer.close();
}

/** Runs it until `topic` has so many records, and tells them. */
async function run(declared: DeclaredTopology, topic: 'named' | 'unnamed', count: number): Promise<string[]> {
  const connections = world.connections('one');
  const settings = readSettings({ MILLRACE_DATA_DIR: join(world.folder, 'data'), MILLRACE_COMMIT_INTERVAL_MS: '50' });
  try {
    const options = { instance: 'one', guarantee: 'exactly-once' } as const;
    const application = await runTopology(declared, connections, settings, options);
    const told = await read(topic, count);
    await application.stop();
    return told;
  } finally {
    await connections.log.close();
  }
}

async function read(topic: 'named' | 'unnamed', count: number): Promise<string[]> {
  const reader = world.log.reader();
  for (let partition = 0; partition < COUNTS[topic]; partition += 1) reader.assign({ topic, partition }, 0);
  const told: string[] = [];
  const untilMs = performance.now() + 60_000;
  while (told.length < count) {
    if (performance.now() > untilMs) throw new Error(`${topic}: only ${told.join(', ')}`);
    for (const { records } of await reader.poll(100)) told.push(...records.map(({ value }) => String(value)));
  }
  await reader.close();
  return told;
}

test('a named part keeps its state when another is declared before it; what has no name is refused, and loses nothing', async () => {
  await pay();
  assert.deepEqual(await run(first, 'unnamed', 1), ['c 1']);
  await pay();
  const added = (name?: string): DeclaredTopology =>
    declare(({ stream }) => {
      const options = name === undefined ? {} : { name };
      counted(stream('refunds', json<Payment>(), options), 'refunded');
      const payments = stream('payments', json<Payment>());
      counted(payments.keyBy(cardOf, { name: 'by-card' }), 'named');
      counted(payments.keyBy(cardOf), 'unnamed');
    });
  await assert.rejects(run(added(), 'named', 2), { name: 'Failure', code: 'invalid_definition', field: 'unnamed' });
  assert.deepEqual(await run(added('refunds'), 'named', 2), ['c 1', 'c 2']);
  assert.deepEqual(await run(added('refunds'), 'unnamed', 2), ['c 1', 'c 2']);
});

test('an internal topic that was made for a source with other partitions is refused', async () => {
  const from = (topic: string): DeclaredTopology =>
    topology('moved', ({ stream }) => counted(stream(topic, json<Payment>()).keyBy(cardOf), 'named'));
  await run(from('payments'), 'named', 3);
  await assert.rejects(run(from('refunds'), 'named', 4), {
    ...{ name: 'Failure', code: 'invalid_definition', field: world.names.repartition('moved.1') },
    message: /has 2 partitions, and is needed with 3/,
  });
});
