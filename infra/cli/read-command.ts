// read: the records of a topic, one JSON object a line, for people and for jq.
import { isUtf8 } from 'node:buffer';
import type { AvroReader } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { nearest } from '../../schemas/reading.ts';
import type { Log, LogAdmin, LogRecord, PartitionBounds } from '../../streams/log.ts';
import type { Connections } from '../connect.ts';
import { type CliCommand, type CommandInput, WrongUsage, countOption } from './command.ts';
import { requireBroker } from './running.ts';

const NEWEST = 10;
const POLL_MS = 200;
/** What the end of a transaction, or a few, may take. */
const FEW_OFFSETS = 16;

export const read: CliCommand = {
  usage: 'TOPIC [--newest N | --all] [--follow]',
  help: [
    'One JSON object a line: partition, offset, timestamp (when it was written), key, value; partition by partition.',
    'A value is told decoded where it is Avro in the Confluent frame, or JSON; else as text, or in base64 where it is no text.',
    `--newest   of each partition the last N records, ${NEWEST} by default`,
    '--all      from the start of the topic',
    '--follow   goes on with what comes, until Ctrl-C',
  ],
  argumentsMax: 1,
  options: { newest: { type: 'string' }, all: { type: 'boolean' }, follow: { type: 'boolean' } },
  async run(input) {
    const [topic] = input.positionals;
    if (topic === undefined)
      throw new WrongUsage('missing_field', 'TOPIC is missing.', { field: 'TOPIC', fix: 'Name the topic to read.' });
    const newest = input.options['all'] === true ? Number.MAX_SAFE_INTEGER : (countOption(input, 'newest') ?? NEWEST);
    const [{ connect }, { AvroReader }] = await Promise.all([
      import('../connect.ts'),
      import('../../schemas/codec.ts'),
    ]);
    await requireBroker(input.settings);
    const connections = connect(input.settings, 'read');
    try {
      const bounds = await boundsOf(connections, topic);
      await tellRecords(input, connections, new AvroReader(connections.registry), bounds, newest);
    } finally {
      await connections.log.close();
    }
  },
};

/** @throws Failure `unknown_name` */
async function boundsOf({ log }: Connections, topic: string): Promise<readonly PartitionBounds[]> {
  const admin = log.admin();
  try {
    const count = (await admin.partitionsOf([topic])).get(topic);
    if (count === undefined) throw await unknownTopic(admin, topic);
    return await admin.offsets(Array.from({ length: count }, (_, partition) => ({ topic, partition })));
  } finally {
    await admin.close();
  }
}

async function unknownTopic(admin: LogAdmin, topic: string): Promise<Failure> {
  const known = (await admin.listTopics()).filter((name) => !name.startsWith('__')).sort();
  const near = nearest(topic, known);
  return new Failure('unknown_name', `There is no topic ${topic}.`, {
    field: 'TOPIC',
    fix: near === null ? `There are: ${known.join(', ')}.` : `Did you mean ${near}?`,
  });
}

/**
 * Where the newest records of each partition begin. Ends of transactions, records of aborted ones and what was compacted away take
 * offsets too, so as far back as it takes is looked for so many.
 */
async function startsOf(
  log: Log,
  bounds: readonly PartitionBounds[],
  newest: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const starts = new Map<number, number>();
  if (newest >= Number.MAX_SAFE_INTEGER) return new Map(bounds.map(({ partition, start }) => [partition, start]));
  for (let back = 2 * newest + FEW_OFFSETS; starts.size < bounds.length && !signal.aborted; back *= 8) {
    const sought = bounds.filter(({ partition }) => !starts.has(partition));
    const from = new Map(sought.map(({ partition, start, end }) => [partition, Math.max(start, end - back)]));
    const offsets = await offsetsFrom(log, sought, from, signal);
    for (const { partition, start, end } of sought) {
      const found = offsets.get(partition) ?? [];
      if (found.length >= newest) starts.set(partition, found.at(-newest) ?? end);
      else if (from.get(partition) === start) starts.set(partition, start);
    }
  }
  return starts;
}

/** Of the records there are from `from` on, by partition. */
async function offsetsFrom(
  log: Log,
  bounds: readonly PartitionBounds[],
  from: ReadonlyMap<number, number>,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number[]>> {
  const offsets = new Map<number, number[]>();
  for await (const { partition, records } of recordsFrom(log, bounds, from, { follow: false, signal })) {
    const known = offsets.get(partition) ?? [];
    offsets.set(partition, [...known, ...records.map(({ offset }) => offset)]);
  }
  return offsets;
}

interface Reading {
  /** goes on with what comes behind the ends */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** Each partition from its place in `from` on, one that has none from its end. */
async function* recordsFrom(
  log: Log,
  bounds: readonly PartitionBounds[],
  from: ReadonlyMap<number, number>,
  { follow, signal }: Reading,
): AsyncGenerator<{ readonly partition: number; readonly records: readonly LogRecord[] }> {
  const open = new Map(bounds.filter(({ start, end }) => end > start).map(({ partition, end }) => [partition, end]));
  const reader = log.reader();
  try {
    for (const { topic, partition, end } of bounds) reader.assign({ topic, partition }, from.get(partition) ?? end);
    while (!signal.aborted && (follow || open.size > 0))
      for (const { partition, records, nextOffset } of await reader.poll(POLL_MS)) {
        const end = follow ? Number.POSITIVE_INFINITY : (open.get(partition) ?? 0);
        yield { partition, records: records.filter(({ offset }) => offset < end) };
        if (nextOffset >= end) open.delete(partition);
      }
  } finally {
    await reader.close();
  }
}

async function tellRecords(
  { options, signal }: CommandInput,
  { log }: Connections,
  avro: AvroReader,
  bounds: readonly PartitionBounds[],
  newest: number,
): Promise<void> {
  const starts = await startsOf(log, bounds, newest, signal);
  for await (const { records } of recordsFrom(log, bounds, starts, { follow: options['follow'] === true, signal })) {
    await avro.prepare(records.map(({ value }) => value));
    for (const record of records) process.stdout.write(`${JSON.stringify(toldRecord(record, avro))}\n`);
  }
}

function toldRecord({ partition, offset, timestampMs, key, value }: LogRecord, avro: AvroReader): unknown {
  return {
    ...{ partition, offset, timestamp: new Date(timestampMs).toISOString() },
    key: key === null ? null : toldText(key),
    value: value === null ? null : toldValue(value, avro),
  };
}

/** What can be made of the bytes; never throws, for a topic may hold anything. */
function toldValue(value: Buffer, avro: AvroReader): unknown {
  try {
    // no JSON text begins with the frame's zero
    return value[0] === 0 ? avro.decode(value).value : (JSON.parse(value.toString()) as unknown);
  } catch {
    return toldText(value);
  }
}

function toldText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : bytes.toString('base64');
}
