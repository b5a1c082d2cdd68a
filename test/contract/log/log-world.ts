// What the contract suite of the Log port needs of an implementation, and what its tests share.
import { type Clock } from '../../../streams/clock.ts';
import {
  type AssignmentListener,
  type Fetched,
  type Log,
  type LogReader,
  type LogRecord,
  type NewRecord,
  type TopicPartition,
  partitionId,
} from '../../../streams/log.ts';

export interface LogWorld {
  readonly name: string;
  /** A client with a clock of its own. */
  client(clock: Clock): Log;
  readonly clock: Clock;
  /** Runs a test; simulated time moves meanwhile. */
  run(body: () => Promise<void>): Promise<void>;
}

/** A clock that can be stopped: whoever sleeps by it then does not wake up, as after SIGSTOP. */
export class StoppableClock implements Clock {
  readonly #clock: Clock;
  #going: Promise<void> = Promise.resolve();
  #go: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  stop(): void {
    this.#going = new Promise((resolve) => {
      this.#go = resolve;
    });
  }

  goOn(): void {
    this.#go();
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    await this.#going;
  }
}

export const bytes = (text: string): Buffer => Buffer.from(text);

let names = 0;
const run = String(process.pid);

/** A name that no other test has used. */
export function fresh(what: string): string {
  names += 1;
  return `${what}-${run}-${names}`;
}

/** A new topic. */
export async function topicOf(
  log: Log,
  partitions: number,
  config: Readonly<Record<string, string>> = {},
): Promise<string> {
  const name = fresh('topic');
  const admin = log.admin();
  await admin.ensureTopics([{ name, partitions, config }]);
  await admin.close();
  return name;
}

export function record(topic: string, partition: number, text: string, key = text): NewRecord {
  return { topic, partition, timestampMs: 1_700_000_000_000, key: bytes(key), value: bytes(text) };
}

export const textOf = ({ value }: LogRecord): string => value?.toString() ?? '<null>';

/** Polls until `isEnough` says so of everything that came. */
export async function pollUntil(reader: LogReader, isEnough: (all: readonly Fetched[]) => boolean): Promise<Fetched[]> {
  const all: Fetched[] = [];
  while (!isEnough(all)) all.push(...(await reader.poll(500)));
  return all;
}

/** All records of a partition from `fromOffset` to where its end is now, and the position after them. */
export async function readAll(
  log: Log,
  at: TopicPartition,
  fromOffset = 0,
): Promise<{ readonly records: readonly LogRecord[]; readonly nextOffset: number }> {
  const admin = log.admin();
  const [bounds] = await admin.offsets([at]);
  const end = bounds?.end ?? 0;
  const reader = log.reader();
  reader.assign(at, fromOffset);
  const fetched = end <= fromOffset ? [] : await pollUntil(reader, (all) => (all.at(-1)?.nextOffset ?? 0) >= end);
  await reader.close();
  await admin.close();
  return { records: fetched.flatMap(({ records }) => records), nextOffset: fetched.at(-1)?.nextOffset ?? fromOffset };
}

export async function textsOf(log: Log, at: TopicPartition): Promise<string[]> {
  return (await readAll(log, at)).records.map(textOf);
}

/** Waits until the markers of a transaction that has just ended are written: its end is seen by everybody. */
export async function untilStable(log: Log, clock: Clock, at: TopicPartition): Promise<void> {
  const admin = log.admin();
  for (;;) {
    const [bounds] = await admin.offsets([at]);
    if (bounds !== undefined && bounds.end === bounds.highWatermark) break;
    await clock.sleep(20);
  }
  await admin.close();
}

/** A listener that remembers what it has, and what happened. */
export class Assigned implements AssignmentListener {
  readonly held = new Set<string>();
  readonly events: string[] = [];
  /** awaited in `revoked`, before anything is let go */
  beforeRevoked: () => Promise<void> = async () => undefined;
  readonly #waiting = new Set<() => void>();

  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    for (const at of partitions) this.held.add(partitionId(at));
    this.#note('assigned', partitions);
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#note('revoking', partitions);
    await this.beforeRevoked();
    for (const at of partitions) this.held.delete(partitionId(at));
    this.#note('revoked', partitions);
  }

  async lost(partitions: readonly TopicPartition[]): Promise<void> {
    for (const at of partitions) this.held.delete(partitionId(at));
    this.#note('lost', partitions);
  }

  refused(): void {
    this.#note('refused', []);
  }

  #note(what: string, partitions: readonly TopicPartition[]): void {
    this.events.push(`${what} ${partitions.map(partitionId).sort().join(' ')}`.trim());
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves once `isSo`, looked at after each event of this or the `others`. */
  async until(isSo: () => boolean, others: readonly Assigned[] = []): Promise<void> {
    if (isSo()) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!isSo()) return;
        for (const one of [this, ...others]) one.#waiting.delete(look);
        resolve();
      };
      for (const one of [this, ...others]) one.#waiting.add(look);
    });
  }
}
