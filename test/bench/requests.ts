// Requests of the demo, as many and as late in the year as a benchmark wants them.
import { type Connections } from '../../infra/connect.ts';
import { demoCodecs } from '../../infra/demo/demo.ts';
import { DEMO_TOPICS, type DemoEvent, FlightYear } from '../../infra/demo/flights.ts';
import { type NewRecord } from '../../streams/log.ts';

const FROM_MS = Date.parse('2013-05-01T00:00:00Z');
const BATCH = 5000;

export function demoRequests(): readonly DemoEvent[] {
  const year = new FlightYear().events({ sample: 1, fromMs: FROM_MS, untilMs: 8e15 });
  const requests: DemoEvent[] = [];
  for (let at = 0; at < year.length; at += 1000)
    for (const event of year.slice(at, at + 1000)) if (event.topic === DEMO_TOPICS.requests) requests.push(event);
  return requests;
}

/** Gives the function that makes a record of a request, with another id and time where they are given. */
export async function requestEncoder(
  connections: Connections,
): Promise<(event: DemoEvent, id?: string, timeMs?: number) => NewRecord> {
  const codec = (await demoCodecs(connections)).get(DEMO_TOPICS.requests);
  if (codec === undefined) throw new Error('there is no schema of requests');
  return (event, id = event.key, timeMs = event.eventTimeMs) => ({
    topic: DEMO_TOPICS.requests,
    timestampMs: timeMs,
    key: Buffer.from(id),
    value: codec.encode({ ...event.value, request_id: id, requested_at: timeMs }),
  });
}

export async function appendAll({ log }: Connections, records: readonly NewRecord[]): Promise<void> {
  const writer = log.writer();
  for (let at = 0; at < records.length; at += BATCH) await writer.append(records.slice(at, at + BATCH));
  await writer.close();
}
