// Asks the instance that owns a key, or all that own a part of a store, and goes on looking while partitions move.
import { type Clock } from '../../streams/clock.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type Position, type StateAnswer, type StateRow, type Wanted, byKey } from '../../streams/queries/question.ts';
import { unknownStore } from '../../streams/queries/state-queries.ts';
import { Failure } from '../../schemas/failure.ts';
import { type HeldStores, type Places, type StatePlace } from './places.ts';

/** How far the answer has to be, and how long that may take. */
export interface Bound {
  readonly atLeast: Position;
  readonly waitMs: number;
}

export interface StoreAt {
  readonly application: string;
  readonly store: string;
}

export interface TellStore extends StoreAt {
  readonly sources: readonly string[];
  readonly partitions: number;
  /** partitions that a task works on, wherever */
  readonly owned: readonly number[];
}

export interface KeyAnswer {
  readonly key: string;
  readonly found: boolean;
  readonly value: unknown;
}

export interface KeysAnswer {
  readonly rows: readonly KeyAnswer[];
  /** of all tasks that were asked */
  readonly position: Position;
}

export interface RangeAnswer {
  readonly rows: readonly StateRow[];
  /** where to go on; null: that was all */
  readonly next: string | null;
  readonly position: Position;
}

export interface RangeWanted {
  readonly from: string | null;
  readonly to: string | null;
  readonly limit: number;
}

interface Looked {
  readonly place: StatePlace;
  readonly stores: readonly HeldStores[];
  readonly isRefused: boolean;
}

interface Placed {
  readonly partitions: number;
  /** names of the places that take no question from here */
  readonly refusing: readonly string[];
  readonly owners: ReadonlyMap<number, StatePlace>;
}

/** Between two looks at who owns what, while nobody owns a partition. */
const RETRY_MS = 50;

export class StateRouter {
  readonly #places: Places;
  readonly #clock: Clock;
  /** as of the last look */
  readonly #placed = new Map<string, Placed>();
  /** under way, by application */
  readonly #looks = new Map<string | null, Promise<readonly Looked[]>>();

  constructor(places: Places, clock: Clock) {
    this.#places = places;
    this.#clock = clock;
  }

  /** What can be asked for, by name. */
  async stores(): Promise<TellStore[]> {
    const held = (await this.#look(null)).flatMap(({ stores }) => stores);
    const all = held.flatMap(({ application, stores }) => stores.map((store) => ({ application, ...store })));
    return [...Map.groupBy(all, ({ application, name }) => JSON.stringify([application, name])).entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, [first, ...others]]) => {
        if (first === undefined) return [];
        const { application, name: store, sources, partitions } = first;
        const owned = new Set([first, ...others].flatMap(({ here }) => here));
        return [{ application, store, sources, partitions, owned: [...owned].sort((a, b) => a - b) }];
      });
  }

  /**
   * Where Kafka's default partitioner puts a key it is looked for first; what is not there, in all other partitions: who produced it
   * may partition otherwise.
   */
  async keys(at: StoreAt, keys: readonly string[], bound: Bound): Promise<KeysAnswer> {
    const { partitions } = await this.#placedOf(at, false);
    const first = await this.#askAll(
      at,
      [...Map.groupBy(keys, (key) => partitionOfKey(Buffer.from(key), partitions))].map(([partition, wanted]) => ({
        ...{ partition, wanted: { kind: 'keys', keys: wanted } as const },
      })),
      bound,
    );
    const found = new Set(first.flatMap(({ rows }) => rows.map(({ key }) => key)));
    const elsewhere = Array.from({ length: partitions }, (_, partition) => {
      const wanted = keys.filter(
        (key) => !found.has(key) && partitionOfKey(Buffer.from(key), partitions) !== partition,
      );
      return { partition, wanted: { kind: 'keys', keys: wanted } as const };
    });
    const second = await this.#askAll(
      at,
      elsewhere.filter(({ wanted }) => wanted.keys.length > 0),
      bound,
    );
    const answers = [...first, ...second];
    const values = new Map(answers.flatMap(({ rows }) => rows.map(({ key, value }) => [key, value])));
    return {
      rows: keys.map((key) => ({ key, found: values.has(key), value: values.get(key) ?? null })),
      position: together(answers),
    };
  }

  async range(at: StoreAt, { from, to, limit }: RangeWanted, bound: Bound): Promise<RangeAnswer> {
    const { partitions } = await this.#placedOf(at, false);
    const wanted = { kind: 'range', from, to, limit: limit + 1 } as const;
    const answers = await this.#askAll(
      at,
      Array.from({ length: partitions }, (_, partition) => ({ partition, wanted })),
      bound,
    );
    const rows = answers.flatMap((answer) => answer.rows).sort(byKey);
    return { rows: rows.slice(0, limit), next: rows[limit]?.key ?? null, position: together(answers) };
  }

  #askAll(
    at: StoreAt,
    asked: readonly { readonly partition: number; readonly wanted: Wanted }[],
    bound: Bound,
  ): Promise<StateAnswer[]> {
    return Promise.all(asked.map(({ partition, wanted }) => this.#ask(at, partition, wanted, bound)));
  }

  /** @throws Failure `not_ready` where nobody works on the partition */
  async #ask(at: StoreAt, partition: number, wanted: Wanted, { atLeast, waitMs }: Bound): Promise<StateAnswer> {
    const { application, store } = at;
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (let looks = 0; ; looks += 1) {
      const { owners, refusing } = await this.#placedOf(at, looks > 0);
      const question = {
        ...{ store, partition, wanted, atLeast },
        waitMs: Math.ceil(Math.max(0, untilMs - this.#clock.monotonicMs())),
      };
      const answer = (await owners.get(partition)?.ask({ application, question })) ?? null;
      if (answer !== null) return answer;
      if (looks > 0 && this.#clock.monotonicMs() >= untilMs) throw notOwned(at, partition, waitMs, refusing);
      if (looks > 0) await this.#clock.sleep(RETRY_MS);
    }
  }

  async #placedOf(at: StoreAt, afresh: boolean): Promise<Placed> {
    const id = JSON.stringify([at.application, at.store]);
    const known = this.#placed.get(id);
    if (known !== undefined && !afresh) return known;
    const placed = placedIn(await this.#look(at.application), at);
    this.#placed.set(id, placed);
    return placed;
  }

  /** One at a time: many partitions on the move must not multiply the questions to all. */
  #look(application: string | null): Promise<readonly Looked[]> {
    const under = this.#looks.get(application);
    if (under !== undefined) return under;
    const look = this.#lookNow(application).finally(() => this.#looks.delete(application));
    this.#looks.set(application, look);
    return look;
  }

  async #lookNow(application: string | null): Promise<readonly Looked[]> {
    const places = await this.#places(application);
    return Promise.all(
      places.map(async (place): Promise<Looked> => {
        const held = await place.held();
        return held === 'refused'
          ? { place, stores: [], isRefused: true }
          : { place, stores: held ?? [], isRefused: false };
      }),
    );
  }
}

/** @throws Failure `unknown_name` */
function placedIn(looked: readonly Looked[], { application, store }: StoreAt): Placed {
  const running = looked.flatMap(({ place, stores }) =>
    stores
      .filter((one) => one.application === application)
      .flatMap((one) => one.stores.map((kept) => ({ place, kept }))),
  );
  const refusing = looked.flatMap(({ place, isRefused }) => (isRefused ? [place.name] : []));
  if (running.length === 0) {
    const known = [...new Set(looked.flatMap(({ stores }) => stores.map((one) => one.application)))].sort();
    throw new Failure('unknown_name', `No application ${application} with states to read runs here.`, {
      field: 'application',
      fix:
        refusing.length > 0
          ? sameToken(refusing)
          : known.length === 0
            ? 'Start it with `millrace stream`.'
            : `Start it, or name one of ${known.join(', ')}.`,
    });
  }
  const named = running.filter(({ kept }) => kept.name === store);
  const [first] = named;
  if (first === undefined) throw unknownStore(application, store, [...new Set(running.map(({ kept }) => kept.name))]);
  return {
    partitions: first.kept.partitions,
    refusing,
    owners: new Map(named.flatMap(({ place, kept }) => kept.here.map((partition) => [partition, place] as const))),
  };
}

function sameToken(refusing: readonly string[]): string {
  return `${refusing.join(', ')} refuses to answer: give all instances, and who asks them, the same MILLRACE_STATE_TOKEN.`;
}

function notOwned(
  { application, store }: StoreAt,
  partition: number,
  waitMs: number,
  refusing: readonly string[],
): Failure {
  return new Failure(
    'not_ready',
    `Nobody works on partition ${partition} of ${store} in ${application} after ${Math.round(waitMs)} ms.`,
    {
      field: 'partition',
      fix: refusing.length > 0 ? sameToken(refusing) : 'It is being restored, or moves: wait longer, or ask again.',
    },
  );
}

function together(answers: readonly StateAnswer[]): Position {
  const position: Record<string, Record<number, number>> = {};
  for (const answer of answers)
    for (const [topic, partitions] of Object.entries(answer.position))
      position[topic] = { ...position[topic], ...partitions };
  return position;
}
