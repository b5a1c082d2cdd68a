// One event of the lifecycle, read back from the log by its offset: what the console's links lead to.
import { type EventCodec } from '../schemas/codec.ts';
import { type StoredEvent } from '../serving/console/routes.ts';
import { type Log } from '../streams/log.ts';

const POLL_MS = 100;
const POLLS_MAX = 50;

/** The event at exactly this offset; null where the log ends before it, or a transaction's end stands there. */
export async function lifecycleEventAt(
  log: Log,
  codec: EventCodec,
  topic: string,
  offset: number,
): Promise<StoredEvent | null> {
  const at = { topic, partition: 0 };
  const admin = log.admin();
  const [bounds] = await admin.offsets([at]);
  await admin.close();
  if (bounds === undefined || offset < bounds.start || offset >= bounds.end) return null;
  const reader = log.reader();
  try {
    reader.assign(at, offset);
    for (let polls = 0; polls < POLLS_MAX; polls += 1) {
      for (const { records, nextOffset } of await reader.poll(POLL_MS)) {
        const record = records.find((candidate) => candidate.offset === offset);
        if (record !== undefined && record.value !== null) {
          await codec.reader.prepare([record.value]);
          const { name, value } = codec.reader.decode(record.value);
          return {
            topic,
            partition: 0,
            offset,
            written: new Date(record.timestampMs).toISOString(),
            event: name,
            value,
          };
        }
        if (nextOffset > offset) return null;
      }
    }
    return null;
  } finally {
    await reader.close();
  }
}
