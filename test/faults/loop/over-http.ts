// What was scored over the topic, asked over HTTP: the same scores, to the last bit.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EventFollower } from '../../../infra/event-follower.ts';
import { type Event } from '../../../schemas/codec.ts';
import { type Prediction } from '../../../schemas/events.generated.ts';
import { type VersionInput } from '../../../serving/scoring/models.ts';
import { type Platform } from '../platform.ts';
import { drawn } from '../storm.ts';

const REQUESTS = 200;
const ENDPOINT = 'flight-delay';
const POLL_MS = 100;

/** Every event of these topics, those of a partition in the log's order. */
export async function eventsOf(platform: Platform, topics: readonly string[]): Promise<Event[]> {
  const { log, codec } = platform.connect();
  const events: Event[] = [];
  const follower = new EventFollower(log, codec, (event) => events.push(event));
  await follower.start(topics, assert.ifError);
  await follower.stop();
  await log.close();
  return events;
}

/** Every value of a topic that is not the platform's own. */
async function valuesOf<T>(platform: Platform, topic: string): Promise<T[]> {
  const { log, codec } = platform.connect();
  const [admin, reader] = [log.admin(), log.reader()];
  const count = (await admin.partitionsOf([topic])).get(topic) ?? 0;
  const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
  const ends = new Map<number, number>();
  for (const { partition, start, end } of await admin.offsets(places)) {
    reader.assign({ topic, partition }, start);
    if (end > start) ends.set(partition, end);
  }
  const values: T[] = [];
  while (ends.size > 0)
    for (const { partition, records, nextOffset } of await reader.poll(POLL_MS)) {
      await codec.reader.prepare(records.map(({ value }) => value));
      for (const { value } of records) if (value !== null) values.push(codec.reader.decode(value).value as T);
      if (nextOffset >= (ends.get(partition) ?? 0)) ends.delete(partition);
    }
  await Promise.all([reader.close(), admin.close(), log.close()]);
  return values;
}

type Fields = Readonly<Record<string, string | number | null>>;

interface Asked {
  readonly live: Prediction;
  readonly request: Fields;
}

/** Requests and their live predictions as the topics have them. */
async function scored(platform: Platform): Promise<{ asked: Asked[]; inputsOf: Map<number, readonly VersionInput[]> }> {
  const requests = new Map(
    (await valuesOf<Fields>(platform, `${ENDPOINT}.requests`)).map((fields) => [String(fields['request_id']), fields]),
  );
  const live: Prediction[] = [];
  const inputsOf = new Map<number, readonly VersionInput[]>();
  for (const event of await eventsOf(platform, [`${ENDPOINT}.predictions`, 'millrace.lifecycle'])) {
    if (event.name === 'Prediction' && event.value.purpose === 'live') live.push(event.value);
    else if (event.name === 'ModelVersionCreated')
      inputsOf.set(event.value.version, JSON.parse(event.value.inputs) as VersionInput[]);
  }
  const asked = live.map((one) => ({
    live: one,
    request: requests.get(one.request_id) ?? assert.fail(one.request_id),
  }));
  return { asked, inputsOf };
}

function tensor(name: string, values: readonly (string | number | null)[]) {
  const datatype = values.some((value) => typeof value === 'string') ? 'BYTES' : 'FP64';
  return { name, shape: [values.length], datatype, data: values };
}

async function infer(platform: Platform, path: string, body: unknown): Promise<{ version: string; scores: number[] }> {
  const response = await fetch(`http://127.0.0.1:${platform.httpPort}/v2/models/${ENDPOINT}${path}/infer`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const { model_version, outputs } = JSON.parse(text) as { model_version: string; outputs: { data: number[] }[] };
  return { version: model_version, scores: outputs[0]?.data ?? [] };
}

function equalScores(found: readonly number[], asked: readonly Asked[], how: string): void {
  assert.equal(found.length, asked.length, how);
  for (const [index, { live }] of asked.entries())
    assert.ok(
      Object.is(found[index], live.score),
      `${live.prediction_id} ${how}: ${String(found[index])} instead of ${live.score}`,
    );
}

export function checkHttp(platform: () => Platform): void {
  let asked: Asked[] = [];
  let ids: string[] = [];
  let inputs: readonly VersionInput[] = [];

  it('200 requests asked over HTTP by entity keys, as of their time, get the score of the topic', async (context) => {
    const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? Date.now() % 100_000);
    context.diagnostic(`seed ${seed} (repeat with MILLRACE_TEST_SEED=${seed})`);
    const random = drawn(seed);
    const all = await scored(platform());
    ids = all.asked.map(({ live }) => live.prediction_id);
    assert.equal(new Set(ids).size, ids.length, 'each request was scored once');
    asked = Array.from({ length: REQUESTS }, () => {
      const [one] = all.asked.splice(Math.floor(random() * all.asked.length), 1);
      return one ?? assert.fail('fewer than 200 requests were scored');
    });
    inputs = all.inputsOf.get(1) ?? assert.fail('there is no version 1');
    for (const one of asked) {
      const { version, scores } = await infer(platform(), '', {
        id: one.live.request_id,
        parameters: { event_time: one.live.event_time },
        inputs: Object.entries(one.request).map(([name, value]) => tensor(name, [value])),
      });
      assert.equal(version, String(one.live.version));
      equalScores(scores, [one], 'by entity keys');
    }
  });

  it('and by raw features too: in one tensor, one by one or together, and as named inputs', async () => {
    const path = `/versions/${asked[0]?.live.version ?? 0}`;
    const whole = (some: readonly Asked[]) => ({
      inputs: [
        {
          name: 'input',
          shape: [some.length, inputs.length],
          datatype: 'FP32',
          data: some.flatMap(({ live }) => live.features),
        },
      ],
    });
    equalScores((await infer(platform(), path, whole(asked))).scores, asked, 'in one tensor');
    for (const one of asked.slice(0, 20))
      equalScores((await infer(platform(), path, whole([one]))).scores, [one], 'alone in one tensor');
    const named = inputs.map(({ name, kind, categories }, column) =>
      tensor(
        name,
        asked.map(({ live }) => {
          const value = live.features[column] ?? null;
          return kind === 'category' && value !== null ? (categories?.[value] ?? null) : value;
        }),
      ),
    );
    equalScores((await infer(platform(), path, { inputs: named })).scores, asked, 'as named inputs');
  });

  it('asking about the past is no event: the topic holds the predictions that it held', async () => {
    // partitions are read side by side, in any order
    assert.deepEqual((await scored(platform())).asked.map(({ live }) => live.prediction_id).sort(), ids.toSorted());
  });
}
