// Orders and questions drawn from a seed, and, told by a plain loop over all of them, what must come out.
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type LogRecord } from '../../streams/log.ts';
import {
  CLOSE_AFTER_MS,
  type LedgerReader,
  type LedgerSizes,
  type Order,
  TOPICS,
  type Tally,
  ledgerApplication,
} from './ledger-application.ts';
import { DEAD_LETTERS } from './instance.ts';
import { expectedWindows } from './counted-windows.ts';
import { FollowingCheck } from './following-check.ts';
import { type Random } from './random.ts';
import {
  ExactCheck,
  type OutputCheck,
  type SourceRecord,
  type Workload,
  byPartition,
  changelogOfStore,
} from './workload.ts';

interface TimedOrder extends Order {
  readonly timeMs: number;
  /** decides when it is produced */
  readonly arrival: number;
}

interface Question {
  readonly question: string;
  readonly account: string;
  readonly timeMs: number;
  readonly partition: number;
  readonly arrival: number;
}

/**
 * - ordered: produced by event time
 * - live: the same, taken as it comes
 * - disordered: not quite by event time
 * - flooded: more than the engine queues, one partition after the other
 */
export type LedgerKind = 'ordered' | 'live' | 'disordered' | 'flooded';

export interface LedgerOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
  readonly kind: LedgerKind;
}

/** By how much event times may go back. */
const DISORDER_MS = 200;

export function ledgerWorkload({ random, startMs, spanMs, kind }: LedgerOptions): Workload {
  const sizes = {
    orderPartitions: random.int(1, 3),
    tallyPartitions: random.int(1, 3),
    questionPartitions: random.int(1, 2),
  };
  const live = kind === 'live';
  const reader: LedgerReader =
    kind === 'flooded' ? 'answers' : kind === 'ordered' ? random.pick(['answers', 'windows', null]) : null;
  const accounts = Array.from({ length: random.int(1, 6) }, (_, index) => `account-${index}`);
  const drawing = { random, sizes, accounts, kind, timeMs: () => startMs + random.int(0, spanMs) };
  const orders = drawOrders(drawing);
  const questions = reader === 'answers' ? drawQuestions(drawing) : [];
  const inputs = inputsOf(orders, questions, drawing);
  const letters = expectedLetters(inputs);
  return {
    name: `ledger, ${kind}${reader === null ? '' : `, with ${reader}`}`,
    topics: topicsOf(sizes),
    spec: (_process, stores) => ledgerApplication(sizes, reader, stores),
    sources: new Map([
      [TOPICS.orders, sizes.orderPartitions],
      ...(reader === 'answers' ? ([[TOPICS.questions, sizes.questionPartitions]] as const) : []),
    ]),
    inputs,
    endMs: startMs + spanMs + CLOSE_AFTER_MS + 1,
    live,
    idleTimeoutMs: live ? 300 : null,
    guarantee: 'exactly-once',
    cacheBytesMax: 0,
    policies: DEFAULT_POLICIES,
    prepare: async () => undefined,
    changelogOf: changelogOfStore('ledger'),
    checks: new Map<string, OutputCheck>([
      [TOPICS.repartition, new ExactCheck(TOPICS.repartition, expectedRoutes(orders, sizes), laneOf, textOf)],
      [DEAD_LETTERS, new ExactCheck(DEAD_LETTERS, letters, letterPlace, () => 'decode')],
      ...(kind === 'ordered' || kind === 'flooded'
        ? exactChecks(orders, questions, sizes, reader)
        : ([[TOPICS.tallies, new FollowingCheck(TOPICS.tallies, orders)]] as const)),
    ]),
  };
}

function topicsOf({ orderPartitions, tallyPartitions, questionPartitions }: LedgerSizes): Workload['topics'] {
  const topic = (name: string, partitions: number, config = {}) => ({ name, partitions, config });
  return [
    topic(TOPICS.orders, orderPartitions),
    topic(TOPICS.repartition, tallyPartitions),
    topic(TOPICS.tallies, tallyPartitions),
    topic(TOPICS.questions, questionPartitions),
    topic(TOPICS.answers, questionPartitions),
    topic(TOPICS.windows, tallyPartitions),
    topic('changelog.windows', tallyPartitions, { 'cleanup.policy': 'compact' }),
    topic('changelog.accounts', tallyPartitions, { 'cleanup.policy': 'compact' }),
  ];
}

interface Drawing {
  readonly random: Random;
  readonly sizes: LedgerSizes;
  readonly accounts: readonly string[];
  readonly kind: LedgerKind;
  timeMs(): number;
}

/** Numbered as they are produced. */
function drawOrders({ random, sizes, accounts, kind, timeMs }: Drawing): TimedOrder[] {
  const count = kind === 'flooded' ? random.int(2500, 5000) : random.int(10, 120);
  return Array.from({ length: count }, () => ({
    ...{ id: '', account: random.pick(accounts) ?? '', amount: random.int(1, 100) },
    ...{ lane: random.int(0, sizes.orderPartitions - 1), timeMs: timeMs() },
  }))
    .map((order) => ({ ...order, arrival: arrivalOf(kind, order.timeMs, order.lane, random) }))
    .sort((a, b) => a.arrival - b.arrival)
    .map((order, index) => ({ ...order, id: `order-${index}` }));
}

function arrivalOf(kind: LedgerKind, timeMs: number, part: number, random: Random): number {
  if (kind === 'disordered') return timeMs + random.int(0, DISORDER_MS);
  return kind === 'flooded' ? part * 1e13 + timeMs : timeMs;
}

function drawQuestions({ random, sizes, accounts, kind, timeMs }: Drawing): Question[] {
  return Array.from({ length: random.int(1, 30) }, () => ({
    ...{ question: '', account: random.pick(accounts) ?? '', timeMs: timeMs() },
    partition: random.int(0, sizes.questionPartitions - 1),
  }))
    .map((question) => ({ ...question, arrival: arrivalOf(kind, question.timeMs, sizes.orderPartitions, random) }))
    .sort((a, b) => a.arrival - b.arrival)
    .map((question, index) => ({ ...question, question: `question-${index}` }));
}

function exactChecks(
  orders: readonly TimedOrder[],
  questions: readonly Question[],
  sizes: LedgerSizes,
  reader: LedgerReader,
): (readonly [string, OutputCheck])[] {
  const rows = tallyRows(orders, sizes);
  const tallies = grouped(rows, ({ account, text }) => [`partition ${partitionOf(account, sizes)}`, text]);
  const answers = grouped(answered(questions, rows), ({ partition, text }) => [`partition ${partition}`, text]);
  return [
    [TOPICS.tallies, new ExactCheck(TOPICS.tallies, tallies, byPartition, timedTextOf)],
    [TOPICS.answers, new ExactCheck(TOPICS.answers, answers, byPartition, timedTextOf)],
    [
      TOPICS.windows,
      new ExactCheck(TOPICS.windows, reader === 'windows' ? windowRows(rows, sizes) : new Map(), byPartition, textOf),
    ],
  ];
}

const MALFORMED = Buffer.from('{ no JSON');

function isMalformed({ value }: SourceRecord): boolean {
  return value === MALFORMED;
}

function inputsOf(
  orders: readonly TimedOrder[],
  questions: readonly Question[],
  { random, sizes, timeMs }: Drawing,
): SourceRecord[] {
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const records = [
    ...orders.map(({ id, account, amount, lane, timeMs: timestampMs, arrival }) => ({
      ...{ topic: TOPICS.orders, partition: lane, timestampMs, arrival, key: Buffer.from(id) },
      value: json({ id, account, amount }),
    })),
    ...questions.map(({ question, account, partition, timeMs: timestampMs, arrival }) => ({
      ...{ topic: TOPICS.questions, partition, timestampMs, arrival, key: Buffer.from(question) },
      value: json({ question, account }),
    })),
    ...Array.from({ length: random.chance(0.5) ? random.int(1, 4) : 0 }, () => ({
      ...{ topic: TOPICS.orders, partition: random.int(0, sizes.orderPartitions - 1), key: null, value: MALFORMED },
      // among the others of its time
      ...{ timestampMs: orders.at(-1)?.timeMs ?? 0, arrival: timeMs() },
    })),
  ];
  return records
    .sort((a, b) => a.arrival - b.arrival)
    .map(({ topic, partition, timestampMs, key, value }) => ({ topic, partition, timestampMs, key, value }));
}

function partitionOf(account: string, { tallyPartitions }: LedgerSizes): number {
  return partitionOfKey(Buffer.from(account), tallyPartitions);
}

function grouped<T>(
  items: readonly T[],
  placeAndText: (item: T) => readonly [string, string],
): Map<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const item of items) {
    const [place, text] = placeAndText(item);
    groups.set(place, [...(groups.get(place) ?? []), text]);
  }
  return groups;
}

function expectedRoutes(orders: readonly TimedOrder[], sizes: LedgerSizes): Map<string, readonly string[]> {
  return grouped(orders, (order) => {
    const { id, account, amount, lane } = order;
    return [`partition ${partitionOf(account, sizes)} lane ${lane}`, JSON.stringify({ id, account, amount, lane })];
  });
}

const textOf = ({ value }: LogRecord): string => value?.toString() ?? '';
const timedTextOf = ({ timestampMs, value }: LogRecord): string => `${timestampMs} ${value?.toString() ?? ''}`;
const laneOf = (record: LogRecord): string =>
  `partition ${record.partition} lane ${(JSON.parse(textOf(record)) as Order).lane}`;
const letterPlace = (record: LogRecord): string => {
  const { topic, partition, offset } = JSON.parse(textOf(record)) as {
    topic: string;
    partition: number;
    offset: number;
  };
  return `${topic}/${partition}/${offset}`;
};

function expectedLetters(inputs: readonly SourceRecord[]): Map<string, readonly string[]> {
  return grouped(inputs.filter(isMalformed), (letter) => {
    const before = inputs.filter(({ topic, partition }) => topic === letter.topic && partition === letter.partition);
    return [`${letter.topic}/${letter.partition}/${before.indexOf(letter)}`, 'decode'];
  });
}

interface TallyRow {
  readonly account: string;
  readonly timeMs: number;
  readonly row: { readonly number: number; readonly sum: number; readonly order?: string; readonly closed?: boolean };
  readonly text: string;
}

/** All rows of `tallies`: instant by instant, first the accounts that close (by name), then the orders, lane by lane. */
function tallyRows(orders: readonly TimedOrder[], sizes: LedgerSizes): TallyRow[] {
  const rows: TallyRow[] = [];
  const add = (timeMs: number, account: string, row: TallyRow['row']): void => {
    rows.push({ account, timeMs, row, text: `${timeMs} ${JSON.stringify(row)}` });
  };
  for (let partition = 0; partition < sizes.tallyPartitions; partition += 1) {
    const own = orders.filter(({ account }) => partitionOf(account, sizes) === partition);
    const open = new Map<string, Tally>();
    const ordersAt = Map.groupBy(own, ({ timeMs }) => timeMs);
    const instants = new Set([...ordersAt.keys()].flatMap((timeMs) => [timeMs, timeMs + CLOSE_AFTER_MS]));
    for (const timeMs of [...instants].sort((a, b) => a - b)) {
      for (const [account, { count, sum, lastMs }] of [...open].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (lastMs + CLOSE_AFTER_MS !== timeMs) continue;
        add(timeMs, account, { closed: true, number: count, sum });
        open.delete(account);
      }
      // sorting keeps the order within a lane
      for (const order of (ordersAt.get(timeMs) ?? []).sort((a, b) => a.lane - b.lane)) {
        const { count, sum } = open.get(order.account) ?? { count: 0, sum: 0 };
        const tally = { count: count + 1, sum: sum + order.amount };
        open.set(order.account, { ...tally, lastMs: timeMs });
        add(timeMs, order.account, { order: order.id, number: tally.count, sum: tally.sum });
      }
    }
  }
  return rows;
}

function windowRows(rows: readonly TallyRow[], sizes: LedgerSizes): Map<string, readonly string[]> {
  const events = rows.map(({ account, timeMs, row }) => ({
    ...{ number: row.number, key: account, timeMs, amount: row.sum, partition: partitionOf(account, sizes) },
  }));
  return expectedWindows(TOPICS.tallies, events).rows;
}

function answered(
  questions: readonly Question[],
  rows: readonly TallyRow[],
): { readonly partition: number; readonly text: string }[] {
  return questions.map(({ question, account, partition, timeMs }) => {
    const tally = rows.findLast((row) => row.account === account && row.timeMs <= timeMs)?.row ?? null;
    return { partition, text: `${timeMs} ${JSON.stringify({ question, tally })}` };
  });
}
