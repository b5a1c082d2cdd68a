// The evaluator against a warehouse of canned answers and a log that only keeps what was committed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventCodec } from '../../../schemas/codec.ts';
import { type EndpointDefinition, type MonitorDefinition } from '../../../schemas/definitions.ts';
import { type Statistic } from '../../../schemas/events.generated.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { AppliedDefinitions } from '../../../infra/definition-follower.ts';
import { Evaluator, type EvaluatorParts, type OpenRollout } from '../../../infra/monitoring/evaluator.ts';
import { type Sql } from '../../../serving/analytics/sql.ts';
import { type Log, type NewRecord } from '../../../streams/log.ts';

const DAY_MS = 86_400_000;
const endpoint: EndpointDefinition = {
  ...{
    kind: 'endpoint',
    name: 'e',
    model: 'm',
    request: { key_field: 'id', event_time_field: 'at' },
    entities: {},
    inputs: [{ name: 'x', from: 'request', kind: 'number' }],
  },
  ...{
    outcome: { key_field: 'id', event_time_field: 'known_at', label_field: 'label', horizon_ms: DAY_MS },
    serve_from: 0,
    delivery: 'exactly-once',
    description: '',
  },
};
const monitor: MonitorDefinition = {
  ...{
    kind: 'monitor',
    name: 'weekly',
    endpoint: 'e',
    window_ms: 7 * DAY_MS,
    first_window_start: 0,
    maturity_ms: 2 * DAY_MS,
    reference: { from: 0, to: 7 * DAY_MS },
  },
  ...{
    alerts: [{ statistic: 'label_rate', subject: 'label', direction: 'above', threshold: 0.3, consecutive: 2 }],
    description: '',
  },
};
const decidedAt = (window: number): number => (7 * (window + 1) + 2) * DAY_MS;

interface World {
  readonly committed: Statistic[];
  readonly sent: { readonly type: string; readonly id: string; readonly payload: Readonly<Record<string, unknown>> }[];
  /** event time of the marks */
  toldMs: number;
  sourcesOver: boolean;
  rollout: OpenRollout | null;
}

const newWorld = (): World => ({ committed: [], sent: [], toldMs: decidedAt(1), sourcesOver: false, rollout: null });

function answersOf(world: World): Sql['query'] {
  const rows = (statement: string, from: number): unknown[] => {
    const topics = ['e.requests', 'e.outcomes', 'e.predictions', 'e.results'];
    if (statement.includes('watermarks')) {
      return topics.flatMap((topic) =>
        [0, 1]
          .slice(0, topic === 'e.predictions' ? 2 : 1)
          .map((lane) => ({ topic, partition: 0, lane, told_ms: world.toldMs, live: world.sourcesOver ? 1 : 0 })),
      );
    }
    const requests = Array.from({ length: 100 }, (_, row) => ({
      request_id: `${String(from)}-${String(row)}`,
      score: (row % 10) / 10,
      label: row % 10 >= 6 ? 1 : 0,
    }));
    if (statement.includes('features'))
      return requests.map(({ score }) => ({ score, version: 1, features: [score * 2] }));
    return requests.flatMap((request) => [
      { ...request, model: 'm', version: 1, arm: 'champion', purpose: 'live' },
      {
        ...request,
        score: request.label * 0.5 + request.score / 4,
        model: 'm',
        version: 2,
        arm: 'challenger',
        purpose: 'shadow',
      },
    ]);
  };
  return <T>(statement: string, parameters: Readonly<Record<string, unknown>> = {}) =>
    Promise.resolve(rows(statement, Number(parameters['from'] ?? 0)) as T[]);
}

function logOf(world: World): Log {
  let open: NewRecord[] = [];
  const session = {
    begin: () => (open = []),
    append: (records: readonly NewRecord[]) => Promise.resolve(void open.push(...records)),
    commit: () =>
      Promise.resolve(void world.committed.push(...open.map(({ value }) => JSON.parse(String(value)) as Statistic))),
    close: () => Promise.resolve(),
  };
  const admin = {
    partitionsOf: (topics: readonly string[]) => Promise.resolve(new Map(topics.map((topic) => [topic, 1]))),
    close: () => Promise.resolve(),
  };
  return { transactions: () => Promise.resolve(session), admin: () => admin } as unknown as Log;
}

/** Runs until the evaluator has nothing to do: its first sleep, or the one that `isOver` names. */
async function run(world: World, isOver: (sleptMs: number) => boolean = () => true): Promise<void> {
  const stop = new AbortController();
  let nowMs = 0;
  const folded = new Map<number, Statistic[]>();
  for (const statistic of world.committed)
    folded.set(statistic.window_end, [...(folded.get(statistic.window_end) ?? []), statistic]);
  const definitions = new AppliedDefinitions();
  const policy = {
    kind: 'rollout_policy',
    name: 'p',
    endpoint: 'e',
    gates: [],
    decision_lag_ms: DAY_MS,
    min_rows: 50,
    metric: 'auc',
    tolerance: 0.01,
    canary_share: 0.1,
    auto_approve: true,
  };
  definitions.apply({
    name: 'DefinitionApplied',
    value: { kind: 'rollout_policy', name: 'p', hash: '', spec: JSON.stringify(policy) },
  });
  const parts: EvaluatorParts = {
    log: logOf(world),
    clock: {
      nowMs: () => 0,
      monotonicMs: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
        if (isOver(ms)) stop.abort();
      },
    },
    codec: {
      prepare: () => Promise.resolve(),
      encode: (_name: string, value: unknown) => Buffer.from(JSON.stringify(value)),
    } as unknown as EventCodec,
    names: topicNames('millrace.'),
    prefix: 'millrace.',
    mode: 'event',
    sql: { query: answersOf(world) } as unknown as Sql,
    definitions,
    statistics: new Map([['weekly', folded]]),
    rolloutOf: () => world.rollout,
    inputsOf: () => [{ name: 'x', kind: 'number' }],
    caughtUp: () => Promise.resolve(),
    send: (type, payload, id) =>
      Promise.resolve(void world.sent.push({ type, id, payload: payload as Readonly<Record<string, unknown>> })),
    signal: stop.signal,
  };
  const evaluator = new Evaluator(parts, monitor, endpoint);
  await evaluator.run();
  await evaluator.close();
}

test('decides the windows that are complete, in order: statistics, alerts, then control', async () => {
  const world = newWorld();
  await run(world);
  assert.deepEqual(
    world.sent.map(({ type, payload }) => [
      type,
      payload['decided_at'] ?? payload['event_time'],
      payload['next_decision_at'],
    ]),
    [
      ['AdvanceControl', 0, decidedAt(0)],
      ['AdvanceControl', decidedAt(0), decidedAt(1)],
      ['RaiseAlert', decidedAt(1), undefined],
      ['AdvanceControl', decidedAt(1), decidedAt(2)],
    ],
  );
  assert.deepEqual([...new Set(world.committed.map(({ event_time }) => event_time))], [decidedAt(0), decidedAt(1)]);
});

test('drift is undecidable in the reference window and measured after it', async () => {
  const world = newWorld();
  await run(world);
  const verdicts = world.committed
    .filter(({ name, subject }) => name === 'psi' && subject === 'score')
    .map(({ verdict }) => verdict);
  assert.deepEqual(verdicts, ['undecidable', 'ok']);
});

test('started again, it repeats the last window with the same command ids and writes no statistic twice', async () => {
  const world = newWorld();
  await run(world);
  const [written, first] = [world.committed.length, world.sent.splice(0)];
  await run(world);
  assert.equal(world.committed.length, written);
  assert.deepEqual(world.sent, first.slice(2));
});

test('two runs give the same statistics', async () => {
  const [a, b] = [newWorld(), newWorld()];
  await run(a);
  await run(b);
  assert.deepEqual(a.committed, b.committed);
});

test('an open rollout is judged on the rows since it took effect, not before', async () => {
  const world = { ...newWorld(), rollout: { id: 'r', champion: 1, challenger: 2, effectiveFromMs: 10 * DAY_MS } };
  await run(world);
  const verdicts = world.sent.filter(({ type }) => type === 'RecordVerdict');
  assert.equal(verdicts.length, 1);
  // both separate the labels perfectly: nothing is gained
  assert.deepEqual(
    [verdicts[0]?.payload['decided_at'], verdicts[0]?.payload['verdict'], verdicts[0]?.payload['rows']],
    [decidedAt(1), 'fail', 100],
  );
  assert.equal(world.sent.at(-1)?.type, 'AdvanceControl');
});

test('when the replay ends before the next decision, the endpoint is let go, once', async () => {
  const world = { ...newWorld(), sourcesOver: true };
  await run(world);
  assert.deepEqual(world.sent.at(-1), {
    type: 'ReleaseControl',
    id: `weekly:${String(decidedAt(1))}:ReleaseControl`,
    payload: { endpoint: 'e' },
  });
  assert.equal(world.sent.filter(({ type }) => type === 'ReleaseControl').length, 1);
});

test('where nothing moves it looks once a second; what moves is looked at ten times a second again', async () => {
  const world = newWorld();
  const sleptMs: number[] = [];
  await run(world, (ms) => {
    sleptMs.push(ms);
    if (sleptMs.length === 80) world.toldMs += 1;
    return sleptMs.length === 90;
  });
  const quietFrom = sleptMs.indexOf(1000);
  assert.ok(quietFrom > 40 && quietFrom < 60, String(quietFrom));
  assert.deepEqual([...new Set(sleptMs.slice(0, quietFrom))], [100]);
  assert.deepEqual([...new Set(sleptMs.slice(quietFrom, 80))], [1000]);
  assert.deepEqual([...new Set(sleptMs.slice(80))], [100]);
});
