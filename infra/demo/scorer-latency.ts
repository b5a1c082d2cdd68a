// How long the newest predictions took inside the scorer, by the timings that travel in their headers.
import { type Log } from '../../streams/log.ts';

const NEWEST = 5000;
const POLL_MS = 500;

export async function scorerLatency(log: Log, topic: string): Promise<{ p50: number | null; p99: number | null }> {
  const admin = log.admin();
  const partitions = (await admin.partitionsOf([topic])).get(topic) ?? 0;
  const bounds = await admin.offsets(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
  await admin.close();
  const reader = log.reader();
  for (const { partition, start, end } of bounds) reader.assign({ topic, partition }, Math.max(start, end - NEWEST));
  const tookMs: number[] = [];
  const left = new Set(bounds.filter(({ start, end }) => end > start).map(({ partition }) => partition));
  while (left.size > 0) {
    for (const { partition, records, nextOffset, endOffset } of await reader.poll(POLL_MS)) {
      for (const { headers } of records) {
        const timing = headers.find(({ key }) => key === 'millrace-timing');
        if (timing === undefined) continue;
        const { arrived_ms, scored_ms } = JSON.parse(timing.value.toString()) as {
          arrived_ms: number;
          scored_ms: number;
        };
        tookMs.push(scored_ms - arrived_ms);
      }
      if (nextOffset >= endOffset) left.delete(partition);
    }
  }
  await reader.close();
  tookMs.sort((a, b) => a - b);
  const at = (share: number): number | null =>
    tookMs[Math.min(tookMs.length - 1, Math.floor(share * tookMs.length))] ?? null;
  return { p50: at(0.5), p99: at(0.99) };
}
