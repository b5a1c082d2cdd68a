// The read side of one instance: what its tasks keep, as of their last commit, with how far that is. What is not committed yet is not
// seen: it may still be undone.
import { isUtf8 } from 'node:buffer';
import { Failure } from '../../schemas/failure.ts';
import { type Clock } from '../clock.ts';
import { type DirectTask } from '../direct-task.ts';
import { type DirectSubTopology } from '../direct.ts';
import { type ApplicationSpec, type SubTopology } from '../processor.ts';
import { type ReadableRows } from '../state/committed-rows.ts';
import { POSITION_KEY } from '../state/position.ts';
import { type Task } from '../task.ts';
import {
  type HeldStore,
  type Position,
  type ReadableStore,
  type StateAnswer,
  type StateQuestion,
  type StateRow,
  type Wanted,
} from './question.ts';

type AnyTopology = SubTopology<never> | DirectSubTopology;

interface Readable {
  readonly topology: AnyTopology;
  readonly store: ReadableStore;
}

export class StateQueries {
  /** of the application */
  readonly id: string;
  readonly #clock: Clock;
  readonly #readable: ReadonlyMap<string, Readable>;
  readonly #tasks: () => readonly (Task | DirectTask)[];

  constructor(
    { spec, clock }: { readonly spec: ApplicationSpec; readonly clock: Clock },
    tasks: () => readonly (Task | DirectTask)[],
  ) {
    this.id = spec.id;
    this.#clock = clock;
    this.#tasks = tasks;
    this.#readable = new Map(
      spec.subTopologies.flatMap((topology) =>
        (topology.readable ?? []).map((store): [string, Readable] => [store.name, { topology, store }]),
      ),
    );
  }

  stores(): HeldStore[] {
    return [...this.#readable.values()].map(({ topology, store: { name, partitions } }) => ({
      ...{ name, partitions, sources: topology.topics },
      here: this.#tasksOf(topology).map(({ partition }) => partition),
    }));
  }

  #tasksOf(topology: AnyTopology): (Task | DirectTask)[] {
    return this.#tasks().filter((task) => task.topologyName === topology.name);
  }

  /**
   * @returns null: not here, this instance does not work on the partition (any more)
   * @throws Failure `unknown_name` for a store or a topic of the bound; `not_ready` when the bound is not reached in time
   */
  async ask({ store: name, partition, wanted, atLeast, waitMs }: StateQuestion): Promise<StateAnswer | null> {
    const readable = this.#readable.get(name);
    if (readable === undefined) throw unknownStore(this.id, name, [...this.#readable.keys()]);
    const { topology, store } = readable;
    requireRead(name, topology.topics, atLeast);
    const task = this.#tasksOf(topology).find((one) => one.partition === partition);
    const rows = task?.committedRows ?? null;
    if (task === undefined || rows === null) return null;
    const over = new AbortController();
    const late = this.#clock.sleep(waitMs, over.signal);
    const reached = await task.standing.reached(atLeast, late).finally(() => over.abort());
    if (reached === 'closed') return null;
    if (reached === 'late') throw notReached(name, task.standing.position, atLeast, waitMs);
    return task.standing.read(async () => {
      // before the rows: they may be newer, never older
      const { position } = task.standing;
      return { partition, position, rows: await read(rows, store, wanted) };
    });
  }
}

function read(rows: ReadableRows, store: ReadableStore, wanted: Wanted): Promise<StateRow[]> {
  return wanted.kind === 'keys' ? readKeys(rows, store, wanted.keys) : readRange(rows, store, wanted);
}

async function readKeys(rows: ReadableRows, { prefix, show }: ReadableStore, keys: readonly string[]) {
  const found = await rows.multiGet(keys.map((key) => Buffer.concat([prefix, Buffer.from(key)])));
  return keys.flatMap((key, index): StateRow[] => {
    const row = found[index] ?? null;
    const shown = row === null || isPosition(prefix, key) ? null : show(row);
    return shown === null ? [] : [{ key, value: shown.value }];
  });
}

async function readRange(
  rows: ReadableRows,
  { prefix, show }: ReadableStore,
  { from, to, limit }: Extract<Wanted, { kind: 'range' }>,
): Promise<StateRow[]> {
  const found: StateRow[] = [];
  const first = Buffer.concat([prefix, Buffer.from(from ?? '')]);
  const end = to === null ? behind(prefix) : Buffer.concat([prefix, Buffer.from(to)]);
  if (limit <= 0 || (end !== null && Buffer.compare(first, end) >= 0)) return found;
  for await (const { key, value } of rows.scan({ from: first, ...(end === null ? {} : { to: end }) })) {
    // a key that is no text has no name to go on from
    if (key.equals(POSITION_KEY) || !isUtf8(key)) continue;
    const shown = show(value);
    if (shown === null) continue;
    found.push({ key: key.toString('utf8', prefix.length), value: shown.value });
    if (found.length === limit) break;
  }
  return found;
}

function isPosition(prefix: Buffer, key: string): boolean {
  return prefix.length === 0 && POSITION_KEY.equals(Buffer.from(key));
}

/** The first key behind all that begin so, null: there is none; a prefix never ends with the largest byte. */
function behind(prefix: Buffer): Buffer | null {
  if (prefix.length === 0) return null;
  const next = Buffer.from(prefix);
  next[next.length - 1] = (next.at(-1) ?? 0) + 1;
  return next;
}

function requireRead(store: string, topics: readonly string[], atLeast: Position): void {
  const unread = Object.keys(atLeast).find((topic) => !topics.includes(topic));
  if (unread === undefined) return;
  throw new Failure('unknown_name', `What keeps ${store} does not read ${unread}.`, {
    field: 'position',
    fix: `Give offsets of ${topics.join(', ')}.`,
  });
}

export function unknownStore(application: string, name: string, known: readonly string[]): Failure {
  return new Failure('unknown_name', `${application} has no store ${name} that can be read.`, {
    field: 'store',
    fix:
      known.length === 0
        ? 'Name the state of a step or of a join, or declared windows.'
        : `Name one of ${known.join(', ')}.`,
  });
}

function notReached(store: string, position: Position, atLeast: Position, waitMs: number): Failure {
  const behind = Object.entries(position).flatMap(([topic, partitions]) =>
    Object.entries(partitions).flatMap(([partition, offset]) => {
      const wanted = atLeast[topic]?.[Number(partition)] ?? -1;
      return wanted <= offset ? [] : [`${topic} ${partition} at offset ${offset} of ${wanted}`];
    }),
  );
  return new Failure('not_ready', `${store} is not as far after ${Math.round(waitMs)} ms: ${behind.join(', ')}.`, {
    field: 'position',
    fix: 'Wait longer, or ask again.',
  });
}
