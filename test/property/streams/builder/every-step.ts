// A topology with every kind of step that keeps state, and histories for it: times that meet, keys that repeat, records that are late
// and some that a step refuses.
import fc from 'fast-check';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';

export const TOPICS = ['a', 'b', 't', 'u'] as const;
export type Topic = (typeof TOPICS)[number];
const TABLES: readonly Topic[] = ['t', 'u'];
/** Names of all that keeps something. */
export const STORES = [
  ...['count', 'below', 'moved', 'told', 'merged', 'sessions', 'hopping', 'grouped', 'grouped rows'],
  ...['as-of', 'near', 'labels', 'both', 'named', 'named right', 'named subscriptions'],
];
export const OUTPUTS = [
  'counts',
  'moves',
  'told',
  'windows',
  'as-of',
  'near',
  'labels',
  'both',
  'named',
  'merged',
  'groups',
];

interface Row {
  readonly id: string;
  readonly ref: string | null;
}

export interface Event {
  readonly topic: Topic;
  readonly key: string;
  readonly timeMs: number;
  /** names it; null: a deletion */
  readonly value: Row | null;
}

export interface Chunk {
  readonly events: readonly Event[];
  readonly restart: boolean;
}

export const START_MS = 1000;
export const CHUNK_MS = 40;
const KEYS = [...Array.from({ length: 12 }, (_, index) => `k${index}`), 'ü', ''];

export const history: fc.Arbitrary<readonly Chunk[]> = fc
  .array(
    fc.record({
      events: fc.array(
        fc.record({
          topic: fc.constantFrom(...TOPICS),
          key: fc.constantFrom(...KEYS),
          // some are from the chunk before: late
          afterMs: fc.integer({ min: -8, max: CHUNK_MS - 1 }),
          deletes: fc.integer({ min: 0, max: 3 }).map((drawn) => drawn === 0),
          ref: fc.constantFrom(null, ...KEYS),
          fails: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
        }),
        { maxLength: 40, size: 'max' },
      ),
      restart: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((chunks) =>
    chunks.map(({ events, restart }, chunk) => ({
      restart,
      events: events.map(({ topic, key, afterMs, deletes, ref, fails }, index): Event => {
        const id = `${fails ? 'fails ' : ''}${topic}${chunk}.${index}`;
        const value = deletes && TABLES.includes(topic) ? null : { id, ref };
        return { topic, key, timeMs: START_MS + chunk * CHUNK_MS + afterMs, value };
      }),
    })),
  );

const pairOf = (left: Row | null, right: Row | null): string => `${left?.id ?? '-'}+${right?.id ?? '-'}`;
const LATENESS = '4ms';
const kind = 'outer';

interface Counted {
  count: number;
  seen: string[];
}

export const everyStep: DeclaredTopology = topology('every', ({ stream, table }) => {
  const [a, b] = [stream('a', json<Row>()), stream('b', json<Row>())];
  const [t, u] = [table('t', json<Row>()), table('u', json<Row>())];
  a.keyBy(({ ref }) => ref ?? '')
    .process<number, number>('moved', {
      state: json(),
      each: (_row, { state = 0, setState, emit }) => {
        setState(state === 2 ? undefined : state + 1);
        emit(state);
      },
    })
    .to('moves', json());
  b.process<number, string>('told', {
    state: json(),
    each: (_row, { state = 0, setState }) => setState(state + 1),
    punctuate: {
      every: '15ms',
      by: 'event time',
      run: ({ states, setState, emit }) => {
        for (const [key, count] of states()) {
          emit(key, `${count}`);
          setState(key, count > 2 ? undefined : count + 1);
        }
      },
    },
  }).to('told', text);
  const features = { n: { function: 'count' }, last: { function: 'last_k', k: 1, field: 'id' } } as const;
  a.windowed('sessions', { windows: { kind: 'session', gap: '9ms' }, lateness: LATENESS, features }).to(
    'windows',
    json(),
  );
  b.windowed('hopping', {
    ...{ windows: { kind: 'hopping', size: '20ms', advance: '10ms' }, lateness: LATENESS },
    features: { n: { function: 'count' } },
  }).to('windows', json());
  a.asOf('as-of', t, { kind: 'left', lateness: LATENESS, join: pairOf }).to('as-of', text);
  a.joinWithin('near', b, { kind, before: '5ms', after: '12ms', lateness: LATENESS, join: pairOf }).to('near', text);
  a.joinLabels('labels', b, { kind: 'left', horizon: '25ms', lateness: LATENESS, join: pairOf }).to('labels', text);
  t.join('both', u, { kind, lateness: LATENESS, join: pairOf }).to('both', text);
  t.joinForeignKey('named', u, {
    ...{ kind: 'left', lateness: LATENESS, join: pairOf },
    foreignKey: ({ ref }) => ref,
  }).to('named', text);
  t.groupBy(({ ref }) => ref)
    .aggregate('grouped', {
      lateness: LATENESS,
      features: { n: { function: 'count' }, ids: { function: 'distinct', field: 'id' } },
    })
    .to('groups', json());
  a.merge(b)
    .process<number, string>('merged', {
      state: json(),
      each: ({ id }, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit(`${state} ${id}`);
      },
    })
    .to('merged', text);
  a.process<Counted, string>('count', {
    state: json(),
    each: ({ id }, { state = { count: 0, seen: [] }, timeMs, setState, setTimer, emit }) => {
      // in place: a step that were run again would count twice; it is the last, so that no other step's failure undoes it
      state.count += 1;
      state.seen.push(id);
      setState(state);
      setTimer(timeMs + 30);
      emit(`${state.count} ${state.seen.at(-2)}`);
      // what it did is undone, down to the next step's
      if (id.startsWith('fails') && state.count === 1) throw new Error(`no ${id}`);
    },
    timer: ({ state, setState, emit }) => {
      emit(`closed ${state?.count} ${state?.seen.length}`);
      setState(undefined);
    },
  })
    .process<{ total: number }, string>('below', {
      state: json(),
      each: (line, { state = { total: 0 }, setState, emit }) => {
        const total = state.total + 1;
        setState({ total });
        emit(`${line}, ${total} in all`);
      },
    })
    .to('counts', text);
});
