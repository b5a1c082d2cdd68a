// From the instant at which a request was to be written to the instant at which its prediction can be read: an open loop over topics.
import { systemClock } from '../../infra/clock.ts';
import { type Connections } from '../../infra/connect.ts';
import { DEMO_ENDPOINT, type DemoEvent } from '../../infra/demo/flights.ts';
import { BenchStack, until } from './bench-stack.ts';
import { type Run, finish, percentile, readOptions, rounded, say, tell } from './outcome.ts';
import { demoRequests, requestEncoder } from './requests.ts';
import { withTrained } from './trained-stack.ts';

const options = readOptions();
const RATE_PER_S = 500;
const WARM_UP_S = options.quick ? 2 : 5;
const MEASURED_S = options.quick ? 5 : 30;
const RUNS = options.quick ? 1 : 3;
const DRAIN_WITHIN_MS = 60_000;
const POLL_MS = 100;

/** Told when each prediction became readable here. */
async function follow(
  { log, topics }: Connections,
  partitions: number,
  readable: (requestId: string, nowMs: number) => void,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const topic = topics.predictions(DEMO_ENDPOINT);
  const admin = log.admin();
  const reader = log.reader();
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  for (const { partition, highWatermark } of await admin.offsets(places))
    reader.assign({ topic, partition }, highWatermark);
  await admin.close();
  const loop = (async () => {
    while (!signal.aborted)
      for (const { records } of await reader.poll(POLL_MS)) {
        const nowMs = systemClock.monotonicMs();
        for (const { key } of records) if (key !== null) readable(key.toString(), nowMs);
      }
  })();
  return async () => {
    await loop;
    await reader.close();
  };
}

async function once(
  stack: BenchStack,
  connections: Connections,
  events: readonly DemoEvent[],
  name: string,
): Promise<Run> {
  const total = RATE_PER_S * (WARM_UP_S + MEASURED_S);
  const intendedMs = new Float64Array(total);
  const tookMs = new Float64Array(total).fill(Number.NaN);
  let seen = 0;
  const stop = new AbortController();
  const stopFollowing = await follow(
    connections,
    stack.settings.partitions,
    (requestId, nowMs) => {
      const [run, index] = requestId.split('~');
      if (run !== name) return;
      tookMs[Number(index)] = nowMs - (intendedMs[Number(index)] ?? 0);
      seen += 1;
    },
    stop.signal,
  );
  const encode = await requestEncoder(connections);
  const writer = connections.log.writer();
  const startMs = systemClock.monotonicMs() + 200;
  let lateMs = 0;
  let sent = 0;
  const appends: Promise<unknown>[] = [];
  while (sent < total) {
    const nowMs = systemClock.monotonicMs();
    const records = [];
    for (; sent < total && startMs + (sent * 1000) / RATE_PER_S <= nowMs; sent += 1) {
      // the time at which it was to be written counts, however late this loop is
      intendedMs[sent] = startMs + (sent * 1000) / RATE_PER_S;
      lateMs = Math.max(lateMs, nowMs - (intendedMs[sent] ?? 0));
      const event = events[sent % events.length];
      if (event !== undefined) records.push(encode(event, `${name}~${sent}`, Math.floor(systemClock.nowMs())));
    }
    if (records.length > 0) appends.push(writer.append(records));
    await systemClock.sleep(1);
  }
  await Promise.all(appends);
  await until('all predictions are read', () => seen >= total, DRAIN_WITHIN_MS);
  stop.abort();
  await stopFollowing();
  await writer.close();
  const measured = [...tookMs.subarray(RATE_PER_S * WARM_UP_S)].sort((a, b) => a - b);
  return {
    p50_ms: rounded(percentile(measured, 0.5)),
    p90_ms: rounded(percentile(measured, 0.9)),
    p99_ms: rounded(percentile(measured, 0.99)),
    p999_ms: rounded(percentile(measured, 0.999)),
    max_ms: rounded(measured.at(-1) ?? Number.NaN),
    requests: measured.length,
    generator_late_ms_max: rounded(lateMs),
  };
}

async function variant(trained: string, events: readonly DemoEvent[], commitIntervalMs: number): Promise<Run[]> {
  const stack = await BenchStack.make(trained, {
    MILLRACE_TIME: 'live',
    MILLRACE_COMMIT_INTERVAL_MS: String(commitIntervalMs),
  });
  const runs: Run[] = [];
  try {
    const connections = await stack.startLog();
    await stack.startRole('scoring');
    for (let count = 0; count < RUNS; count += 1) {
      const run = await once(stack, connections, events, `run${commitIntervalMs}-${count}`);
      say(`commit interval ${commitIntervalMs} ms, run ${count + 1}: ${tell(run)}`);
      runs.push(run);
    }
    await connections.log.close();
  } finally {
    await stack.remove();
  }
  return runs;
}

await withTrained(options.trained, async (trained) => {
  say(
    `scoring-latency: ${RATE_PER_S} requests/s for ${MEASURED_S} s after ${WARM_UP_S} s of warm-up, ${RUNS} runs each`,
  );
  const events = demoRequests().slice(0, 5000);
  const variants: Record<string, Run[]> = {};
  for (const commitIntervalMs of [100, 10])
    variants[`commit_interval_${commitIntervalMs}_ms`] = await variant(trained, events, commitIntervalMs);
  finish(options, {
    measures:
      'From the instant at which a request was to be written (open loop: intended times, so no coordinated omission) to its prediction in the hands of a read_committed reader: produce, fetch, lookup, model, transaction, fetch. Exact percentiles over all requests. Generator, reader, broker and scorer share the cores. Running: broker, registry, scoring role; nothing else.',
    settings: { rate_per_s: RATE_PER_S, warm_up_s: WARM_UP_S, measured_s: MEASURED_S, partitions: 4, time: 'live' },
    variants,
  });
});
process.exit(0);
