// Windows of a stream in a compiled topology: when they are closed, what is late, what a failed step leaves behind, what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import visits from '../../../../examples/streams/visits.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { compile } from '../../../../streams/builder/compile.ts';
import { type FeatureOf } from '../../../../streams/builder/features.ts';
import { json } from '../../../../streams/builder/format.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { record } from '../../../../streams/builder/record-format.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { type WindowedDeclaration } from '../../../../streams/builder/windowed.ts';
import { type WindowsDeclaration, windows } from '../../../../streams/builder/windows.ts';
import { RunningStage } from './running-stage.ts';

interface Event {
  readonly at: number;
  readonly flag?: boolean;
  readonly v?: unknown;
}

const COUNT = { n: { function: 'count' } } as const;

function windowed(declaration: WindowedDeclaration<Event>, also: (stream: Stream<Event>) => void = () => undefined) {
  return topology('t', (builder) => {
    const stream = builder.stream('in', json<Event>(), { timeOf: ({ at }) => at });
    stream.windowed('w', declaration).to('out', json());
    also(stream);
  });
}

const at = (...times: number[]): { key: string; value: Event }[] =>
  times.map((timeMs) => ({ key: 'k', value: { at: timeMs } }));

async function outputsOf(stage: RunningStage): Promise<unknown[]> {
  await stage.commit();
  return stage.outputs.splice(0).map(({ value }): unknown => JSON.parse(String(value)));
}

const closed = (startMs: number, endMs: number, n: number): unknown => ({ key: 'k', startMs, endMs, values: { n } });

test('the example: a visit is told half an hour after its last click, and five minutes for late ones', async () => {
  const MINUTE_MS = 60_000;
  const click = (minute: number, page: string, load_ms: number) => ({
    key: 'ada',
    value: { page, load_ms, clicked_at: minute * MINUTE_MS },
  });
  const stage = await RunningStage.of(visits);
  stage.send([click(0, '/', 100), click(10, '/a', 900), click(12, '/', 300), click(9, '/b', 200)]);
  stage.idleTo(47 * MINUTE_MS);
  assert.deepEqual(await outputsOf(stage), []);
  await stage.restart();
  stage.send([click(46, '/c', 50)]);
  stage.idleTo(47 * MINUTE_MS + 1);
  assert.deepEqual(await outputsOf(stage), [
    {
      visitor: 'ada',
      from: 0,
      to: 12 * MINUTE_MS,
      clicks: 4,
      pages: 3,
      favourites: [
        { value: '/', count: 2, error: 0 },
        { value: '/a', count: 1, error: 0 },
        { value: '/b', count: 1, error: 0 },
      ],
      load_ms_p90: 900,
    },
  ]);
  assert.equal(stage.keys, 1, 'the second visit is open');
  await stage.close();
});

test('a session takes an event one gap away, is closed one ms after none can come, and bridges late', async () => {
  const stage = await RunningStage.of(
    windowed({ windows: { kind: 'session', gap: '10ms' }, lateness: '20ms', features: COUNT }),
  );
  stage.send(at(100, 110, 130, 120));
  stage.idleTo(160);
  assert.deepEqual(await outputsOf(stage), []);
  stage.idleTo(161);
  assert.deepEqual(await outputsOf(stage), [closed(100, 130, 4)]);
  assert.equal(stage.keys, 0);
  assert.deepEqual(stage.stateBytes, [], 'the changelog has a tombstone');
  await stage.close();
});

test('a closed session stays closed, though its row is gone: what could have reached it is too late, and told of', async () => {
  const stage = await RunningStage.of(
    windowed({ windows: { kind: 'session', gap: '10ms' }, lateness: '5ms', features: COUNT }),
  );
  stage.send(at(100));
  stage.idleTo(1000);
  await stage.commit();
  await stage.restart();
  assert.equal(stage.timeMs, 116);
  stage.send(at(110, 111));
  stage.idleTo(1000);
  assert.deepEqual(await outputsOf(stage), [closed(100, 100, 1), closed(111, 111, 1)]);
  const [letter, ...others] = stage.letters;
  assert.deepEqual(others, []);
  assert.equal(letter?.failure.code, 'too_late');
  assert.equal(letter.stage, 'process');
  assert.equal(String(letter.record.value), '{"at":110}');
  await stage.close();
});

test('a field that the event has not got is not looked for in the prototype of objects', async () => {
  const features = Object.fromEntries(
    ['constructor', 'toString', '__proto__'].flatMap((field): [string, object][] => [
      [`sum ${field}`, { function: 'sum', field }],
      [`last ${field}`, { function: 'last_k', k: 1, field }],
      [`share ${field}`, { function: 'share', above: 3, field }],
      [`ratio ${field}`, { function: 'ratio', field: 'at', denominator: field }],
      // of text
      [`is ${field}`, { function: 'share', equals: 'a', field: 'valueOf' }],
    ]),
  );
  const stage = await RunningStage.of(
    windowed({ windows: { kind: 'tumbling', size: '10ms' }, lateness: '0s', features: features as never }),
  );
  const valuesOf = async (): Promise<unknown[]> => {
    const outputs = (await outputsOf(stage)) as { readonly values: Readonly<Record<string, unknown>> }[];
    return outputs.map(({ values }) => [values['sum constructor'], values['last toString'], values['sum __proto__']]);
  };
  stage.send(at(1, 2));
  stage.idleTo(20);
  assert.deepEqual([await valuesOf(), stage.letters], [[[null, [], null]], []]);
  // what is the event's own is read, whatever it is called
  const value: unknown = JSON.parse('{"at":31,"constructor":null,"__proto__":4,"toString":null}');
  stage.send([{ key: 'k', value }]);
  stage.idleTo(50);
  assert.deepEqual([await valuesOf(), stage.letters], [[[null, [], 4]], []]);
  await stage.close();
});

test('hopping windows: each is closed once, with the panes it shares', async () => {
  const stage = await RunningStage.of(
    windowed({ windows: { kind: 'hopping', size: '6ms', advance: '4ms' }, lateness: '0s', features: COUNT }),
  );
  stage.send(at(4, 5, 9));
  assert.deepEqual(await outputsOf(stage), [closed(0, 6, 2)]);
  await stage.restart();
  stage.idleTo(1000);
  assert.deepEqual(await outputsOf(stage), [closed(4, 10, 3), closed(8, 14, 1)]);
  assert.equal(stage.keys, 0);
  await stage.close();
});

test('sliding windows: a result when an event comes and when one leaves; with a step a key keeps no more than its steps', async () => {
  const stage = await RunningStage.of(
    windowed({ windows: { kind: 'sliding', size: '10ms', step: '0s' }, lateness: '4ms', features: COUNT }),
  );
  stage.send(at(4, 7, 3, 9));
  assert.deepEqual(await outputsOf(stage), [closed(-7, 3, 1), closed(-6, 4, 2)]);
  await stage.restart();
  stage.idleTo(1000);
  const leaving = [closed(3, 13, 3), closed(4, 14, 2), closed(7, 17, 1), closed(9, 19, 0)];
  assert.deepEqual(await outputsOf(stage), [closed(-3, 7, 3), closed(-1, 9, 4), ...leaving]);
  assert.equal(stage.keys, 0);
  await stage.close();

  const windows = { kind: 'sliding', size: '600ms', expiry: 'none' } as const;
  const stepped = await RunningStage.of(windowed({ windows, lateness: '0s', features: COUNT }));
  stepped.send(at(...Array.from({ length: 2000 }, (_, number) => number)));
  const results = (await outputsOf(stepped)) as { endMs: number; values: { n: number } }[];
  assert.deepEqual(
    results.slice(-2).map(({ endMs, values }) => [endMs, values.n]),
    [
      [1997, 607],
      [1998, 608],
    ],
  );
  const [row] = stepped.stateBytes;
  assert.ok(row !== undefined && row.length < 64 * 50, `61 steps of some 40 bytes, not 600 events: ${row?.length}`);
  await stepped.close();
});

test('an event that another step refuses counts in no window', async () => {
  const stage = await RunningStage.of(
    windowed(
      {
        windows: { kind: 'tumbling', size: '10ms' },
        lateness: '0s',
        features: { n: { function: 'distinct', field: 'v' } },
      },
      (stream) =>
        stream.process<number, never>('picky', {
          state: json(),
          each: ({ v }) => {
            if (v === 'bad') throw new Failure('invalid_field', 'bad');
          },
        }),
    ),
  );
  for (const v of ['good', 'bad', 'good', 'better', undefined, null]) stage.send([{ key: 'k', value: { at: 1, v } }]);
  stage.idleTo(10);
  assert.deepEqual(await outputsOf(stage), [closed(0, 10, 2)]);
  assert.equal(stage.letters.length, 1);
  await stage.close();
});

test('text, true and false enter as the catalogue takes them; values of another kind go to the dead letters', async () => {
  const stage = await RunningStage.of(
    windowed({
      windows: { kind: 'tumbling', size: '10ms' },
      lateness: '0s',
      features: { n: { function: 'share', equals: 'yes', field: 'v' }, m: { function: 'mean', field: 'flag' } },
    }),
  );
  const send = (value: object): void => stage.send([{ key: 'k', value: { at: 1, ...value } }]);
  for (const value of [{ v: 'yes', flag: true }, { v: 'no', flag: false }, { v: 'no' }, { flag: true }]) send(value);
  for (const value of [{ v: 1 }, { flag: 'yes' }, { v: 'yes', flag: {} }]) send(value);
  stage.idleTo(10);
  assert.deepEqual(await outputsOf(stage), [{ key: 'k', startMs: 0, endMs: 10, values: { n: 1 / 3, m: 2 / 3 } }]);
  assert.deepEqual(
    stage.letters.map(({ failure: { code, field } }) => [code, field]),
    [
      ['invalid_field', 'v'],
      ['invalid_field', 'flag'],
      ['invalid_field', 'flag'],
    ],
  );
  await stage.close();
});

test('features that keep the same share it', async () => {
  const bytesOf = async (functions: readonly FeatureOf<Event>[]): Promise<number> => {
    const features = Object.fromEntries(functions.map((one, index) => [`f${index}`, one]));
    const stage = await RunningStage.of(
      windowed({ windows: { kind: 'session', gap: '1s' }, lateness: '0s', features }),
    );
    stage.send(at(1, 2, 3));
    await stage.commit();
    await stage.close();
    return stage.stateBytes[0]?.length ?? 0;
  };
  const quantiles = [0.1, 0.5, 0.9].map((q) => ({ function: 'quantile', q, field: 'at' }) as const);
  assert.equal(await bytesOf(quantiles), await bytesOf(quantiles.slice(0, 1)));
  const sums = (['sum', 'mean'] as const).map((name) => ({ function: name, field: 'at' }) as const);
  assert.equal(await bytesOf(sums), await bytesOf(sums.slice(0, 1)));
  assert.ok((await bytesOf([...sums, ...quantiles])) > (await bytesOf(sums)));
});

test('rows of other features are refused, not misread', () => {
  const storeOf = (declared: DeclaredTopology) => {
    const [first] = compile(declared, {
      partitions: new Map(),
      internalTopic: (name) => name,
      changelogTopic: (_application, store) => store,
    }).spec.subTopologies;
    if (first === undefined || first.kind === 'direct' || first.store === null) throw new Error('no store');
    return first.store.serde;
  };
  const of = (name: 'sum' | 'mean' | 'distinct') =>
    windowed({
      windows: { kind: 'session', gap: '1s' },
      lateness: '0s',
      features: { n: { function: name, field: 'at' } },
    });
  const row: unknown = { node: 0, timerMs: 5, value: { closedToMs: -Infinity, entries: [] } };
  const bytes = storeOf(of('sum')).encode(row as never);
  assert.deepEqual(storeOf(of('mean')).decode(bytes), row, 'a mean keeps what a sum keeps');
  assert.throws(() => storeOf(of('distinct')).decode(bytes), { name: 'Failure', code: 'undecodable_record' });
});

test('a wrong declaration is refused, and the field is named', () => {
  const fields: [unknown, string][] = [
    [{ windows: { kind: 'sessions', gap: '1s' } }, 'windowed w: windows.kind'],
    [{ windows: { kind: 'session' } }, 'windowed w: windows.gap'],
    [{ windows: { kind: 'session', gap: '0s' } }, 'windowed w: windows.gap'],
    [{ windows: { kind: 'session', gap: '1s', size: '1s' } }, 'windowed w: windows.size'],
    [{ windows: { kind: 'tumbling', size: '1s', advance: '1s' } }, 'windowed w: windows.advance'],
    [{ windows: { kind: 'hopping', size: '1s' } }, 'windowed w: windows.advance'],
    [{ windows: { kind: 'hopping', size: '24h', advance: '1ms' } }, 'windowed w: windows.advance'],
    [{ windows: { kind: 'sliding', size: '1s', advance: '1s' } }, 'windowed w: windows.advance'],
    [{ windows: { kind: 'sliding', size: '1h', step: '1ms' } }, 'windowed w: windows.step'],
    [{ windows: { kind: 'sliding', size: '1s', expiry: 'never' } }, 'windowed w: windows.expiry'],
    [{ lateness: undefined }, 'windowed w: lateness'],
    [{ features: {} }, 'windowed w: features'],
    [{ features: { n: { function: 'sum' } } }, 'windowed w: features.n.field'],
    [{ features: { n: { function: 'count', field: 'v' } } }, 'windowed w: features.n.field'],
    [{ features: { n: { function: 'quantile', q: 2, field: 'v' } } }, 'windowed w: features.n.q'],
  ];
  for (const [part, field] of fields) {
    const declaration = {
      windows: { kind: 'session', gap: '1s' },
      lateness: '0s',
      features: COUNT,
      ...(part as object),
    };
    assert.throws(
      () => windowed(declaration as WindowedDeclaration<Event>),
      { code: 'invalid_definition', field },
      field,
    );
  }
});

interface Payment {
  readonly card: string;
  readonly amount: number | null;
  readonly fee?: number;
  readonly refunded: boolean;
}

test('features are typed by the fields of the events, and values by their functions', () => {
  const session = { kind: 'session', gap: '1s' } as const;
  topology('t', (builder) => {
    const payments = builder.stream('in', json<Payment>());
    const results = payments.windowed('w', {
      ...{ windows: session, lateness: '0s' },
      features: {
        n: { function: 'count' },
        spent: { function: 'sum', field: 'amount' },
        fees: { function: 'quantile', q: 0.5, field: 'fee' },
        refunds: { function: 'share', equals: true, field: 'refunded' },
        mine: { function: 'share', equals: 'c1', field: 'card' },
        cards: { function: 'top_k', k: 3, field: 'card' },
        bins: { function: 'histogram', bounds: [0, 10], field: 'amount' },
      },
    });
    results.map(({ values }) => (values.spent ?? 0) / values.n + (values.fees ?? 0));
    results.map(({ values }) => values.cards.map(({ value, count }) => `${value}: ${count}`));
    results.map(({ values }) => values.bins.map((count) => count + 1));
    // @ts-expect-error a sum of nothing is null
    results.map(({ values }) => values.spent / values.n);
    // @ts-expect-error there is no feature of that name
    results.map(({ values }) => String(values.m));
  });
  const refused: (() => unknown)[] = [];
  topology('t', (builder) => {
    const payments = builder.stream('in', json<Payment>());
    const rest = { windows: session, lateness: '0s' };
    refused.push(
      // @ts-expect-error there is no such function
      () => payments.windowed('a', { ...rest, features: { s: { function: 'summ', field: 'amount' } } }),
      // @ts-expect-error it is not kept in panes
      () => direct(builder, { s: { function: 'quantile', q: 0.5, field: 'x', window: '1h' } }),
      // @ts-expect-error a window is needed
      () => direct(builder, { s: { function: 'count' } }),
      // @ts-expect-error the function needs its parameter
      () => payments.windowed('b', { ...rest, features: { s: { function: 'last_k', field: 'amount' } } }),
      // @ts-expect-error and a field
      () => payments.windowed('c', { ...rest, features: { s: { function: 'sum' } } }),
    );
    // @ts-expect-error there is no such field
    payments.windowed('d', { ...rest, features: { s: { function: 'sum', field: 'no_such_field' } } });
    // @ts-expect-error text has no sum
    payments.windowed('e', { ...rest, features: { s: { function: 'sum', field: 'card' } } });
  });
  for (const declare of refused) assert.throws(declare, { code: 'invalid_definition' });
});

const direct = (builder: TopologyBuilder, features: WindowsDeclaration['features']): unknown =>
  windows(builder, 'x', { from: { topic: 'in', format: 'json' }, step: '1h', features });

test('where the type of the events is not known, any field goes', () => {
  topology('t', (builder) => {
    const features = { s: { function: 'sum', field: 'anything' } } as const;
    const rest = { windows: { kind: 'session', gap: '1s' }, lateness: '0s', features } as const;
    builder
      .stream('in', json<unknown>())
      .windowed('w', rest)
      .map(({ values }) => (values.s ?? 0) + 1);
    builder.stream('rows', record({ any: 'any' })).windowed('v', {
      ...rest,
      features: { s: { function: 'sum', field: 'any' } },
    });
  });
});

type Reading = { readonly late: true; readonly byMs: number } | { readonly late: false; readonly value: number };

test('a type guard narrows streams and tables', () => {
  topology('t', ({ stream, table }) => {
    const isLate = (reading: Reading): reading is Extract<Reading, { late: true }> => reading.late;
    stream('in', json<Reading>())
      .filter(isLate)
      .map(({ byMs }) => byMs);
    table('rows', json<Reading>())
      .filter((row) => isLate(row))
      .map(({ byMs }) => byMs);
    stream('others', json<Reading>())
      .filter(({ late }) => !late)
      // @ts-expect-error without a guard it may be either
      .map(({ value }: { value: number }) => value);
  });
});
