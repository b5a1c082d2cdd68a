// A small made-up application with all that the engine offers: orders are moved to the partition of their account (`route`),
// counted there with timers and deletions (`tally`), and questions are answered from the tallies, which are read whole (`answer`).
import { KeyedProcessor, type KeyedSteps } from '../../streams/keyed-processor.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type Instant } from '../../streams/merge.ts';
import {
  type ApplicationSpec,
  type Decoded,
  type Processor,
  type SubTopology,
  type TaskContext,
} from '../../streams/processor.ts';
import { Failure } from '../../schemas/failure.ts';
import { type StateStores } from '../../streams/store.ts';
import { AnswerTable } from './answer-table.ts';
import { windowsStage } from './counted-windows.ts';

export const TOPICS = {
  orders: 'orders',
  repartition: 'orders-by-account',
  tallies: 'tallies',
  questions: 'questions',
  answers: 'answers',
  windows: 'windows',
} as const;

/** An account without orders for so long is closed. */
export const CLOSE_AFTER_MS = 500;

export interface Order {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  /** the source partition, which is the lane in the repartition topic */
  readonly lane: number;
}

export interface Tally {
  readonly count: number;
  readonly sum: number;
  readonly lastMs: number;
}

export interface LedgerSizes {
  readonly orderPartitions: number;
  readonly tallyPartitions: number;
  readonly questionPartitions: number;
}

/** What reads the tallies: questions are answered from them, or they are counted in windows, directly. */
export type LedgerReader = 'answers' | 'windows' | null;

export function ledgerApplication(sizes: LedgerSizes, reader: LedgerReader, stores: StateStores): ApplicationSpec {
  const topologies: unknown[] = [routeTopology(sizes), tallyTopology(sizes)];
  if (reader === 'answers') topologies.push(answerTopology(stores));
  if (reader === 'windows')
    topologies.push(
      windowsStage({
        ...{ input: TOPICS.tallies, output: TOPICS.windows, partitions: sizes.tallyPartitions },
        ...{ time: null, value: 'sum' },
      }),
    );
  return { id: 'ledger', subTopologies: topologies as SubTopology<never>[] };
}

function parsed<T>({ value }: LogRecord): T {
  try {
    return JSON.parse(value?.toString() ?? '') as T;
  } catch (cause) {
    throw new Failure('undecodable_record', 'no JSON', { cause });
  }
}

function decoding(decode: () => Decoded): Decoded {
  try {
    return decode();
  } catch (failure) {
    if (failure instanceof Failure) return { kind: 'refused', failure };
    throw failure;
  }
}

function routeTopology({ tallyPartitions }: LedgerSizes): SubTopology {
  return {
    name: 'route',
    topics: [TOPICS.orders],
    lanesOf: () => 1,
    single: false,
    globalTopics: [],
    store: null,
    outputLanes: ([lane = 0]) =>
      Array.from({ length: tallyPartitions }, (_, partition) => ({ topic: TOPICS.repartition, partition, lane })),
    create: async ({ emit }) => ({
      processor: {
        decode: (record) =>
          decoding(() => ({
            kind: 'input',
            lane: 0,
            eventTimeMs: record.timestampMs,
            value: { ...parsed<Order>(record), lane: record.partition },
          })),
        step: ({ inputs }) => {
          for (const { eventTimeMs, value } of inputs) {
            const order = value as Order;
            const key = Buffer.from(order.account);
            emit({
              topic: TOPICS.repartition,
              timestampMs: eventTimeMs,
              key,
              value: Buffer.from(JSON.stringify(order)),
            });
          }
        },
      },
      globalPositions: new Map(),
    }),
  };
}

function decodeTally(row: Buffer): Tally {
  return JSON.parse(row.toString()) as Tally;
}

function tallyTopology({ orderPartitions }: LedgerSizes): SubTopology<Tally> {
  return {
    name: 'tally',
    topics: [TOPICS.repartition],
    internalTopics: [TOPICS.repartition],
    lanesOf: () => orderPartitions,
    single: false,
    globalTopics: [],
    store: {
      name: 'accounts',
      serde: {
        encode: (tally) => Buffer.from(JSON.stringify(tally)),
        decode: decodeTally,
      },
    },
    onDemand: { timerOf: (row) => decodeTally(row).lastMs + CLOSE_AFTER_MS, isPinned: () => false },
    outputLanes: ([partition = 0]) => [{ topic: TOPICS.tallies, partition, lane: 0 }],
    create: async (context) => ({
      processor: new KeyedProcessor(tallySteps(context), context.state),
      globalPositions: new Map(),
    }),
  };
}

function tallySteps({ partition, state, emit, setTimer }: TaskContext<Tally>): KeyedSteps {
  const tell = (timeMs: number, account: string, row: object): void =>
    emit({
      ...{ topic: TOPICS.tallies, partition, timestampMs: timeMs },
      ...{ key: Buffer.from(account), value: Buffer.from(JSON.stringify(row)) },
    });
  return {
    decode: (record) =>
      decoding(() => {
        const order = parsed<Order>(record);
        return { kind: 'input', lane: order.lane, eventTimeMs: record.timestampMs, value: order };
      }),
    keyOf: ({ value }) => (value as Order).account,
    step: ({ timeMs, inputs, timers }: Instant) => {
      for (const account of timers) {
        const tally = state.get(account);
        if (tally === undefined) throw new Error(`${account} has a timer and no state`);
        tell(timeMs, account, { closed: true, number: tally.count, sum: tally.sum });
        state.delete(account);
      }
      for (const { value } of inputs) {
        const { id, account, amount } = value as Order;
        const before = state.get(account) ?? { count: 0, sum: 0, lastMs: 0 };
        const tally = { count: before.count + 1, sum: before.sum + amount, lastMs: timeMs };
        state.put(account, tally);
        setTimer(account, timeMs + CLOSE_AFTER_MS);
        tell(timeMs, account, { order: id, number: tally.count, sum: tally.sum });
      }
    },
  };
}

function answerTopology(stores: StateStores): SubTopology {
  return {
    name: 'answer',
    topics: [TOPICS.questions],
    lanesOf: () => 1,
    single: true,
    globalTopics: [TOPICS.tallies],
    store: null,
    outputLanes: (partitions) => partitions.map((partition) => ({ topic: TOPICS.answers, partition, lane: 0 })),
    create: async ({ startMs, emit }) => {
      const table = await AnswerTable.open(stores, 'answer-table', startMs);
      const processor: Processor = {
        decode: (record) => ({ kind: 'input', lane: 0, eventTimeMs: record.timestampMs, value: null }),
        step: ({ timeMs, inputs }) => {
          for (const { record } of inputs) if (record.topic === TOPICS.tallies) table.put(record);
          for (const { record } of inputs) {
            if (record.topic !== TOPICS.questions) continue;
            const { question, account } = parsed<{ question: string; account: string }>(record);
            const answer = { question, tally: table.get(account) };
            emit({
              ...{ topic: TOPICS.answers, partition: record.partition, timestampMs: timeMs },
              ...{ key: record.key, value: Buffer.from(JSON.stringify(answer)) },
            });
          }
        },
        committed: (positions, timeMs) => table.flush(positions, timeMs),
        close: () => table.close(),
      };
      return { processor, globalPositions: table.positions };
    },
  };
}
