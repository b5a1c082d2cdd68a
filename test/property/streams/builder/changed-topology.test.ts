// A topology that is changed between runs: parts are added, taken out and declared in another order, some with a name, some without.
// Whatever is changed, each part goes on as the fold of all its records says, or the start is refused, and only where it must be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';

/** `own source`: counts what a topic of its own brings; `moved`: counts behind keyBy; `joined`: behind two; `copied`: no state. */
type Kind = 'own source' | 'moved' | 'joined' | 'copied';

interface Part {
  readonly id: string;
  readonly kind: Kind;
  readonly isNamed: boolean;
}

interface Event {
  readonly id: number;
  readonly timeMs: number;
  readonly by: string;
}

const KINDS: readonly Kind[] = ['own source', 'moved', 'joined', 'copied'];
const POOL: readonly Part[] = [true, false].flatMap((isNamed) =>
  KINDS.flatMap((kind) =>
    [0, 1].map((copy) => ({ id: `${isNamed ? 'n' : 'u'}-${kind.replace(' ', '-')}-${copy}`, kind, isNamed })),
  ),
);
const PARTITIONS = 2;

/** Versions: their parts in the order of their declaration, and the keys of the records that come meanwhile. */
const runs = fc.array(
  fc.record({
    parts: fc.oneof(
      fc.shuffledSubarray([...POOL], { minLength: 1, maxLength: 6 }),
      // where only who reads an internal topic tells that it is another one
      fc.shuffledSubarray(POOL.filter(({ kind, isNamed }) => isNamed || kind === 'copied')),
    ),
    by: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 5 }),
  }),
  { minLength: 2, maxLength: 4 },
);

function declare(parts: readonly Part[]): DeclaredTopology {
  return topology('t', ({ stream }) => {
    const timeOf = ({ timeMs }: Event): number => timeMs;
    const shared = stream('shared', json<Event>(), { timeOf, name: 'shared' });
    const byOf = ({ by }: Event): string => by;
    for (const { id, kind, isNamed } of parts) {
      const moved = (suffix = ''): Stream<Event> => shared.keyBy(byOf, isNamed ? { name: `${id}${suffix}` } : {});
      if (kind === 'own source') counted(stream(id, json<Event>(), { timeOf, ...(isNamed ? { name: id } : {}) }), id);
      else if (kind === 'moved') counted(moved(), id);
      else if (kind === 'copied')
        moved()
          .map((event) => `${event.id}`)
          .to(`${id}-out`, text);
      else {
        const left = moved('-left');
        left
          .joinWithin(id, moved('-right'), {
            ...{ kind: 'inner', before: '1h', after: '0s', lateness: '1h' },
            join: (later, earlier) => `${later.id} ${earlier.id}`,
          })
          .to(`${id}-out`, text);
      }
    }
  });
}

function counted(events: Stream<Event>, id: string): void {
  events
    .process<number, string>(id, {
      state: json(),
      each: (event, { key, state = 0, setState, emit }) => {
        setState(state + 1);
        emit(`${key} ${event.id} ${state + 1}`);
      },
    })
    .to(`${id}-out`, text);
}

/** What a part has written once it has seen these events. */
function fold(kind: Kind, events: readonly Event[]): string[] {
  if (kind === 'copied') return events.map(({ id }) => `${id}`).sort();
  const lines = events.flatMap((event, index) => {
    const upTo = events.slice(0, index + 1).filter(({ by }) => by === event.by);
    return kind === 'joined'
      ? upTo.map((earlier) => `${event.id} ${earlier.id}`)
      : [`${event.by} ${event.id} ${upTo.length}`];
  });
  return lines.sort();
}

interface Placed {
  readonly stage: number;
  readonly topics: readonly number[];
}

/** Where those without a name lie: the place of the stage, and the numbers of the internal topics. */
function placesOf(parts: readonly Part[]): Map<string, Placed> {
  let topics = 0;
  const unnamed = parts.filter(({ isNamed }) => !isNamed);
  return new Map(
    unnamed.map(({ id, kind }, stage) => {
      const count = kind === 'own source' ? 0 : kind === 'joined' ? 2 : 1;
      topics += count;
      return [id, { stage, topics: Array.from({ length: count }, (_, index) => topics - index) }];
    }),
  );
}

/**
 * A part without a name that would not find its state, or what is left in a topic that it read and that another would read.
 * @param readers who read each internal topic last, in this version or in one before: what it left there is still there
 */
function isToBeRefused(before: readonly Part[], after: readonly Part[], readers: ReadonlyMap<number, string>): boolean {
  const [was, is] = [placesOf(before), placesOf(after)];
  const isMoved = before.some(({ id, kind }) => {
    const [old, now] = [was.get(id), is.get(id)];
    return kind !== 'copied' && old !== undefined && now !== undefined && old.stage !== now.stage;
  });
  const read = new Set([...is.values()].flatMap(({ topics }) => topics));
  return isMoved || [...readers].some(([topic, id]) => read.has(topic) && is.get(id)?.topics.includes(topic) === false);
}

class Changing {
  readonly #driver: TestDriver;
  readonly #seen = new Map<string, Event[]>();
  readonly #written = new Map<string, string[]>();
  /** records that lie in the topic of a part that is not there */
  readonly #waiting = new Map<string, Event[]>();
  readonly #readers = new Map<number, string>();
  #parts: readonly Part[] = [];
  #timeMs = 1000;

  constructor(driver: TestDriver, parts: readonly Part[]) {
    this.#driver = driver;
    this.#begin(parts);
  }

  #begin(parts: readonly Part[]): void {
    this.#parts = parts;
    for (const [id, { topics }] of placesOf(parts)) for (const topic of topics) this.#readers.set(topic, id);
  }

  static async start(parts: readonly Part[]): Promise<Changing> {
    const driver = await TestDriver.start({ spec: declare(parts), defaultPartitions: PARTITIONS });
    return new Changing(driver, parts);
  }

  /** Those without a name that were taken out do not come back: who they were is forgotten with what replaces them. */
  async change(parts: readonly Part[]): Promise<void> {
    const wanted = parts.filter(({ id, isNamed }) => isNamed || !this.#seen.has(id) || this.#has(id));
    const isRefused = isToBeRefused(this.#parts, wanted, this.#readers);
    try {
      await this.#driver.restart(declare(wanted));
      assert.equal(isRefused, false, 'is to be refused');
      this.#begin(wanted);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'invalid_definition') throw error;
      assert.equal(isRefused, true, error.message);
      await this.#driver.restart(declare(this.#parts));
    }
  }

  #has(id: string): boolean {
    return this.#parts.some((part) => part.id === id);
  }

  async feed(by: readonly string[]): Promise<void> {
    const events = by.map((key) => ({ id: this.#timeMs, timeMs: this.#timeMs++, by: key }));
    for (const topic of ['shared', ...POOL.filter(({ kind }) => kind === 'own source').map(({ id }) => id)])
      await this.#driver.pipe(
        topic,
        events.map((event) => ({ key: event.by, value: JSON.stringify(event) })),
      );
    await this.#driver.advanceTo(this.#timeMs++);
    for (const { id, kind } of POOL) {
      const waiting = kind === 'own source' ? [...(this.#waiting.get(id) ?? []), ...events] : events;
      this.#waiting.set(id, this.#has(id) ? [] : waiting);
      if (this.#has(id)) this.#seen.set(id, [...(this.#seen.get(id) ?? []), ...waiting]);
    }
  }

  check(): void {
    assert.deepEqual(this.#driver.deadLetters(), []);
    for (const { id, kind } of POOL) {
      const lines = this.#driver.outputs(`${id}-out`).map(({ value }) => String(value));
      this.#written.set(id, [...(this.#written.get(id) ?? []), ...lines]);
      assert.deepEqual(this.#written.get(id)?.toSorted(), fold(kind, this.#seen.get(id) ?? []), id);
    }
  }

  async close(): Promise<void> {
    await this.#driver.close();
  }
}

test('each part goes on from what it had, or the change is refused', async () => {
  await fc.assert(
    fc.asyncProperty(runs, async ([first, ...later]) => {
      if (first === undefined) return;
      const changing = await Changing.start(first.parts);
      try {
        await changing.feed(first.by);
        changing.check();
        for (const { parts, by } of later) {
          await changing.change(parts);
          await changing.feed(by);
          changing.check();
        }
      } finally {
        await changing.close();
      }
    }),
    { numRuns: 40 },
  );
});
