// A whole topic, as a read_committed reader sees it.
import { type KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { type LogRecord } from '../../streams/log.ts';

const POLL_MS = 500;

/** By partition the offset behind the last committed record; empty where there is no such topic. */
export async function endsOf(log: KafkaLog, topic: string): Promise<readonly number[]> {
  const admin = log.admin();
  const partitions = (await admin.partitionsOf([topic])).get(topic) ?? 0;
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  const bounds = await admin.offsets(places);
  await admin.close();
  return places.map(({ partition }) => bounds.find((one) => one.partition === partition)?.end ?? 0);
}

/** Reads it up to where it ends now, each partition in its order. */
export async function readAll(
  log: KafkaLog,
  topic: string,
  each: (records: readonly LogRecord[]) => Promise<void> | void,
): Promise<void> {
  const left = new Map((await endsOf(log, topic)).map((end, partition) => [partition, end]));
  const reader = log.reader();
  for (const [partition, end] of left) {
    if (end > 0) reader.assign({ topic, partition }, 0);
    else left.delete(partition);
  }
  while (left.size > 0)
    for (const { partition, records, nextOffset } of await reader.poll(POLL_MS)) {
      const end = left.get(partition);
      if (end === undefined) continue;
      await each(records.filter(({ offset }) => offset < end));
      if (nextOffset < end) continue;
      left.delete(partition);
      reader.unassign({ topic, partition });
    }
  await reader.close();
}
