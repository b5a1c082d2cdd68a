// Joins of a declared topology: orders, moved to the partition of their account, meet the rate of then (as of), and payments that are
// near (within an interval). What must come out is told by looking at all records of an account for each order.
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';
import { type LogRecord } from '../../streams/log.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type Expected, InstantsCheck, byKey, declaredParts, drawTimes, noLetters } from './declared-parts.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type Random } from './random.ts';
import { type OutputCheck, type SourceRecord, type Workload } from './workload.ts';
import { Violation } from './world.ts';

const [ORDERS, RATES, PAYMENTS, RATED, PAID] = ['orders', 'rates', 'payments', 'rated', 'paid'] as const;

interface Item {
  readonly id: number;
  readonly account: string;
}

interface Event extends Item {
  readonly topic: string;
  readonly timeMs: number;
  readonly arrivalMs: number;
  readonly partition: number;
  /** a rate that is none any more */
  readonly isDeletion: boolean;
}

interface Rules {
  readonly asOf: 'inner' | 'left';
  readonly within: 'inner' | 'left' | 'right' | 'outer';
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly latenessMs: number;
  readonly historyMs: number;
  /** by how much event times may go back in a partition; never beyond the lateness */
  readonly disorderMs: number;
}

export interface JoinOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
}

export function joinWorkload({ random, startMs, spanMs }: JoinOptions): Workload {
  const [orderPartitions, partitions] = [random.int(1, 3), random.int(1, 3)];
  const rules = drawRules(random);
  const accounts = Array.from({ length: random.int(1, random.pick([5, 30])) }, (_, index) => `account-${index}`);
  const times = drawTimes(random, startMs, spanMs, rules.disorderMs);
  const draw = (topic: string, countMax: number, partitionOf: (account: string) => number): Event[] =>
    times(random.int(5, countMax)).map((time, id) => {
      const account = random.pick(accounts) ?? '';
      const isDeletion = topic === RATES && random.chance(0.2);
      return { ...time, topic, id, account, isDeletion, partition: partitionOf(account) };
    });
  const keyed = (account: string): number => partitionOfKey(Buffer.from(account), partitions);
  const orders = draw(ORDERS, 60, () => random.int(0, orderPartitions - 1));
  const [rates, payments] = [draw(RATES, 40, keyed), draw(PAYMENTS, 60, keyed)];
  return {
    ...declaredParts(
      () => joined(rules),
      new Map([
        [ORDERS, orderPartitions],
        ...[RATES, PAYMENTS, RATED, PAID].map((topic) => [topic, partitions] as const),
      ]),
    ),
    name: `joins, as of ${rules.asOf}, within ${rules.within}, disorder ${rules.disorderMs} ms`,
    sources: new Map([
      [ORDERS, orderPartitions],
      [RATES, partitions],
      [PAYMENTS, partitions],
    ]),
    inputs: [...orders, ...rates, ...payments].sort((a, b) => a.arrivalMs - b.arrivalMs).map(recordOf),
    endMs: startMs + spanMs + rules.beforeMs + rules.afterMs + rules.latenessMs + 2,
    isBusy: random.chance(0.6),
    cacheBytesMax: random.pick([0, 2000, 1_000_000]) ?? 0,
    checks: new Map<string, OutputCheck>([
      [RATED, new RatedCheck(rules, orders, rates)],
      [PAID, new InstantsCheck(PAID, expectedPairs(rules, orders, payments), byKey, textOf)],
      [DEAD_LETTERS, noLetters()],
    ]),
  };
}

function drawRules(random: Random): Rules {
  const disorderMs = random.pick([0, 0, 80]) ?? 0;
  const latenessMs = disorderMs + (random.pick([0, 50, 300]) ?? 0);
  return {
    ...{ asOf: random.pick(['inner', 'left']), within: random.pick(['inner', 'left', 'right', 'outer']) },
    ...{ beforeMs: random.pick([0, 50, 400]) ?? 0, afterMs: random.pick([0, 1, 300]) ?? 0 },
    ...{ disorderMs, latenessMs, historyMs: latenessMs + (random.pick([0, 500]) ?? 0) },
  };
}

function joined({ asOf, within, beforeMs, afterMs, latenessMs, historyMs }: Rules): DeclaredTopology {
  const lateness = `${latenessMs}ms`;
  const idOf = (item: Item | null): number | null => item?.id ?? null;
  return topology('joined', ({ stream, table }) => {
    const rates = table(RATES, json<Item>());
    const orders = stream(ORDERS, json<Item>()).keyBy(({ account }) => account);
    orders
      .asOf('rated', rates, {
        ...{ kind: asOf, lateness, history: `${historyMs}ms` },
        join: (order, rate) => ({ order: order.id, rate: idOf(rate) }),
      })
      .to(RATED, json());
    orders
      .joinWithin('paid', stream(PAYMENTS, json<Item>()), {
        ...{ kind: within, lateness, before: `${beforeMs}ms`, after: `${afterMs}ms` },
        join: (order, payment) => ({ order: idOf(order), payment: idOf(payment) }),
      })
      .to(PAID, json());
  });
}

function recordOf({ topic, partition, id, account, timeMs, isDeletion }: Event): SourceRecord {
  return {
    ...{ topic, partition, timestampMs: timeMs, key: Buffer.from(topic === ORDERS ? String(id) : account) },
    value: isDeletion ? null : Buffer.from(JSON.stringify({ id, account })),
  };
}

interface Pair {
  readonly order: number | null;
  readonly payment: number | null;
}

function textOf({ timestampMs, value }: LogRecord): string {
  return pairText(timestampMs, JSON.parse(value?.toString() ?? '') as Pair);
}

function pairText(timeMs: number, { order, payment }: Pair): string {
  return `${timeMs} order ${order} payment ${payment}`;
}

/** Each order with each payment, and those that stay alone once nothing can come any more. */
function expectedPairs(rules: Rules, orders: readonly Event[], payments: readonly Event[]): Expected[] {
  const { within, beforeMs, afterMs, latenessMs, disorderMs } = rules;
  const expected: Expected[] = [];
  const add = (part: string, timeMs: number, comesMs: number, pair: Pair): void => {
    // in disorder the time at which the last record is taken depends on what else was read
    expected.push({ part, atMs: disorderMs === 0 ? comesMs : 0, text: pairText(timeMs, pair) });
  };
  const arePartners = (order: Event, payment: Event): boolean =>
    order.account === payment.account &&
    payment.timeMs >= order.timeMs - beforeMs &&
    payment.timeMs <= order.timeMs + afterMs;
  for (const order of orders) {
    const partners = payments.filter((payment) => arePartners(order, payment));
    for (const { id, timeMs } of partners) {
      const laterMs = Math.max(order.timeMs, timeMs);
      add(order.account, laterMs, laterMs, { order: order.id, payment: id });
    }
    if (partners.length === 0 && (within === 'left' || within === 'outer'))
      add(order.account, order.timeMs, order.timeMs + afterMs + latenessMs + 1, { order: order.id, payment: null });
  }
  for (const payment of payments) {
    if (within !== 'right' && within !== 'outer') break;
    if (orders.some((order) => arePartners(order, payment))) continue;
    const closesMs = payment.timeMs + beforeMs + latenessMs + 1;
    add(payment.account, payment.timeMs, closesMs, { order: null, payment: payment.id });
  }
  return expected;
}

interface Rated {
  readonly order: number;
  readonly rate: number | null;
}

/** Each order once, in the order of event time, with the rate that was known for its time. */
class RatedCheck implements OutputCheck {
  readonly #left: Map<number, Event>;
  readonly #rates: ReadonlyMap<string, readonly Event[]>;
  readonly #rules: Rules;
  readonly #lastMs = new Map<string, number>();

  constructor(rules: Rules, orders: readonly Event[], rates: readonly Event[]) {
    this.#rules = rules;
    // of one time the later offset counts: sorting keeps the order of arrival
    this.#rates = Map.groupBy(
      rates.toSorted((a, b) => a.timeMs - b.timeMs),
      ({ account }) => account,
    );
    this.#left = new Map(orders.map((order) => [order.id, order]));
  }

  /** With some disorder a late rate counts from when it came, which is no later than that much after its time. */
  #acceptable({ account, timeMs }: Event): Set<number | null> {
    const known = (this.#rates.get(account) ?? []).filter((rate) => rate.timeMs <= timeMs);
    const certain = known.findLastIndex((rate) => rate.timeMs <= timeMs - this.#rules.disorderMs);
    const ids = known.slice(Math.max(certain, 0)).map(({ id, isDeletion }) => (isDeletion ? null : id));
    return new Set(certain < 0 ? [null, ...ids] : ids);
  }

  /** Whether it must come. */
  #isWanted(order: Event): boolean {
    return this.#rules.asOf === 'left' || !this.#acceptable(order).has(null);
  }

  take(record: LogRecord): void {
    const { order: id, rate } = JSON.parse(record.value?.toString() ?? '') as Rated;
    const order = this.#left.get(id);
    const acceptable = order === undefined ? new Set<number | null>() : this.#acceptable(order);
    if (this.#rules.asOf === 'inner') acceptable.delete(null);
    const isRight = order?.timeMs === record.timestampMs && order.account === byKey(record);
    if (!isRight || !acceptable.has(rate))
      throw new Violation(
        `${RATED}/${record.partition} at ${record.offset}, order ${id}:\n  is     ${rate}\n  wanted ${order === undefined ? 'nothing more' : `one of ${[...acceptable].join(' | ')} at ${order.timeMs}`}`,
      );
    const lastMs = this.#lastMs.get(order.account) ?? 0;
    if (this.#rules.disorderMs === 0 && order.timeMs < lastMs)
      throw new Violation(`${RATED}: order ${id} of ${order.timeMs} came\n  wanted before one of ${lastMs}`);
    this.#lastMs.set(order.account, order.timeMs);
    this.#left.delete(id);
  }

  get complete(): boolean {
    return ![...this.#left.values()].some((order) => this.#isWanted(order));
  }

  missing(): string {
    return `${RATED}: orders ${[...this.#left.values()]
      .filter((order) => this.#isWanted(order))
      .map(({ id }) => id)
      .join(', ')}`;
  }
}
