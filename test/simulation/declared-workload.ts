// A declared topology: orders by account, a tally per account with a timer, a step that fails now and then and is tried again.
import { json } from '../../streams/builder/format.ts';
import { compile } from '../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { topology } from '../../streams/builder/topology.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type Random } from './random.ts';
import { ExactCheck, type Workload, byPartition, changelogOfStore } from './workload.ts';

const [ORDERS, TALLIES, INTERNAL] = ['orders', 'tallies', 'internal.declared.1'] as const;
/** An account without orders for so long is closed. */
const CLOSE_AFTER_MS = 300;

interface Order {
  readonly id: number;
  readonly account: string;
  readonly amount: number;
  readonly timeMs: number;
  readonly partition: number;
}

interface Tally {
  readonly count: number;
  readonly sum: number;
}

type Row = Tally & { readonly order?: number; readonly closed?: boolean };

export interface DeclaredOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
  /** with many of them most are not in memory when their next order comes */
  readonly accountsMax?: number;
}

export function declaredWorkload({ random, startMs, spanMs, accountsMax = 6 }: DeclaredOptions): Workload {
  const partitions = random.int(1, 3);
  const accounts = Array.from({ length: random.int(1, accountsMax) }, (_, index) => `account-${index}`);
  // often several at one instant, and at the instant of a timer
  const gridMs = random.pick([1, 50, 100]);
  const orders: Order[] = Array.from({ length: random.int(10, 120) }, () => ({
    ...{ id: 0, account: random.pick(accounts) ?? '', amount: random.int(1, 100) },
    timeMs: startMs + gridMs * random.int(0, Math.floor(spanMs / gridMs)),
    partition: random.int(0, partitions - 1),
  }))
    .sort((a, b) => a.timeMs - b.timeMs)
    .map((order, id) => ({ ...order, id }));
  return {
    name: 'declared',
    topics: [
      ...[ORDERS, TALLIES, INTERNAL].map((name) => ({ name, partitions, config: {} })),
      { name: 'changelog.stage-1', partitions, config: { 'cleanup.policy': 'compact' } },
    ],
    spec: () => {
      const { spec } = compile(declared(flaky()), {
        partitions: new Map([ORDERS, TALLIES].map((name) => [name, partitions])),
        internalTopic: (name) => `internal.${name}`,
        changelogTopic: (_application, store) => `changelog.${store}`,
      });
      return spec;
    },
    policies: { ...DEFAULT_POLICIES, retries: 2, retryBackoffMs: 30 },
    sources: new Map([[ORDERS, partitions]]),
    inputs: orders.map(({ id, account, amount, timeMs, partition }) => ({
      ...{ topic: ORDERS, partition, timestampMs: timeMs, key: Buffer.from(String(id)) },
      value: Buffer.from(JSON.stringify({ id, account, amount })),
    })),
    endMs: startMs + spanMs + CLOSE_AFTER_MS + 1,
    live: false,
    idleTimeoutMs: null,
    guarantee: 'exactly-once',
    cacheBytesMax: 0,
    prepare: async () => undefined,
    changelogOf: changelogOfStore('declared'),
    checks: new Map([
      [
        TALLIES,
        new ExactCheck(TALLIES, expected(orders, partitions), byPartition, ({ timestampMs, key, value }) =>
          textOf(timestampMs, key?.toString() ?? '', JSON.parse(value?.toString() ?? '') as Row),
        ),
      ],
      [DEAD_LETTERS, new ExactCheck(DEAD_LETTERS, new Map(), byPartition, ({ value }) => value?.toString() ?? '')],
    ]),
  };
}

/** Throws once for every fifth order, as long as the process lives. */
function flaky(): (id: number) => void {
  const seen = new Set<number>();
  return (id) => {
    if (id % 5 !== 0 || seen.has(id)) return;
    seen.add(id);
    throw new Error(`order ${id} fails once`);
  };
}

function declared(attempt: (id: number) => void): DeclaredTopology {
  return topology('declared', (builder) => {
    builder
      .stream(ORDERS, json<Order>())
      .keyBy(({ account }) => account)
      .process<Tally, Row>('tally', {
        state: json(),
        each: ({ id, amount }, { state, timeMs, setState, setTimer, emit }) => {
          const tally = { count: (state?.count ?? 0) + 1, sum: (state?.sum ?? 0) + amount };
          setState(tally);
          setTimer(timeMs + CLOSE_AFTER_MS);
          emit({ order: id, ...tally });
          // whatever it did before is undone
          attempt(id);
        },
        timer: ({ state, setState, emit }) => {
          if (state !== undefined) emit({ closed: true, ...state });
          setState(undefined);
        },
      })
      .to(TALLIES, json());
  });
}

function textOf(timeMs: number, account: string, { order, closed, count, sum }: Row): string {
  return `${timeMs} ${account} ${closed === true ? 'closed' : `order ${order}`} ${count} ${sum}`;
}

/** Instant by instant: the orders, lane by lane, then the accounts whose time is over, by name. */
function expected(orders: readonly Order[], partitions: number): Map<string, readonly string[]> {
  const rows = new Map<string, string[]>();
  const open = new Map<string, Tally & { readonly closeMs: number }>();
  const instants = new Set(orders.flatMap(({ timeMs }) => [timeMs, timeMs + CLOSE_AFTER_MS]));
  const add = (timeMs: number, account: string, row: Row): void => {
    const part = `partition ${partitionOfKey(Buffer.from(account), partitions)}`;
    rows.set(part, [...(rows.get(part) ?? []), textOf(timeMs, account, row)]);
  };
  for (const timeMs of [...instants].sort((a, b) => a - b)) {
    const now = orders.filter((order) => order.timeMs === timeMs).sort((a, b) => a.partition - b.partition);
    for (const { id, account, amount } of now) {
      const { count = 0, sum = 0 } = open.get(account) ?? {};
      const tally = { count: count + 1, sum: sum + amount };
      open.set(account, { ...tally, closeMs: timeMs + CLOSE_AFTER_MS });
      add(timeMs, account, { order: id, ...tally });
    }
    for (const [account, { closeMs, count, sum }] of [...open].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (closeMs !== timeMs) continue;
      add(timeMs, account, { closed: true, count, sum });
      open.delete(account);
    }
  }
  return rows;
}
