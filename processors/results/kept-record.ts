// A record of the log kept in a state, whole, for the case that it has to go to the dead letters later.
import { type LogRecord } from '../../streams/log.ts';

type Packed = readonly [
  topic: string,
  partition: number,
  offset: number,
  timestampMs: number,
  key: string | null,
  value: string | null,
  headers: readonly (readonly [key: string, value: string])[],
];

/** Law: decodeKept(encodeKept(r)) equals r. */
export function encodeKept(record: LogRecord): Buffer {
  const packed: Packed = [
    record.topic,
    record.partition,
    record.offset,
    record.timestampMs,
    record.key?.toString('base64') ?? null,
    record.value?.toString('base64') ?? null,
    record.headers.map(({ key, value }) => [key, value.toString('base64')]),
  ];
  return Buffer.from(JSON.stringify(packed));
}

export function decodeKept(bytes: Buffer): LogRecord {
  const [topic, partition, offset, timestampMs, key, value, headers] = JSON.parse(bytes.toString()) as Packed;
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key: key === null ? null : Buffer.from(key, 'base64'),
    value: value === null ? null : Buffer.from(value, 'base64'),
    headers: headers.map(([name, text]) => ({ key: name, value: Buffer.from(text, 'base64') })),
  };
}
