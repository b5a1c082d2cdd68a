// Requests per second through the scoring role, from a full backlog.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../infra/clock.ts';
import { type Connections } from '../../infra/connect.ts';
import { DEMO_ENDPOINT, DEMO_TOPICS, type DemoEvent } from '../../infra/demo/flights.ts';
import { type LogAdmin } from '../../streams/log.ts';
import { applicationIds } from '../../streams/topology.ts';
import { BenchStack, until } from './bench-stack.ts';
import { writeProfileText } from './cpu-profile.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { appendAll, demoRequests, requestEncoder } from './requests.ts';
import { withTrained } from './trained-stack.ts';

const options = readOptions();
const REQUESTS = options.quick ? 20_000 : 200_000;
const RUNS = options.quick ? 1 : 3;
const WITHIN_MS = 300_000;

/** Requests whose predictions are not committed yet. */
async function backlog(admin: LogAdmin, partitions: number): Promise<number> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic: DEMO_TOPICS.requests, partition }));
  const ends = await admin.offsets(places);
  const committed = await admin.groupOffsets(applicationIds.scoring(DEMO_ENDPOINT));
  return ends.reduce((sum, { partition, end }) => {
    const at = committed.find((offset) => offset.topic === DEMO_TOPICS.requests && offset.partition === partition);
    return sum + end - Math.max(0, at?.offset ?? 0);
  }, 0);
}

async function once(
  stack: BenchStack,
  connections: Connections,
  requests: readonly DemoEvent[],
  profileFolder: string | null,
): Promise<Run> {
  const encode = await requestEncoder(connections);
  await appendAll(
    connections,
    requests.map((event, index) => encode(event, `${event.key}~${index}`)),
  );
  const admin = connections.log.admin();
  const { partitions } = stack.settings;
  const count = await backlog(admin, partitions);
  const brokerBefore = stack.brokerUsage();
  const scoring = await stack.startRole('scoring', {}, profileFolder);
  await until(
    'all requests are scored',
    async () => scoring.child.ended || (await backlog(admin, partitions)) === 0,
    WITHIN_MS,
    50,
  );
  scoring.requireAlive();
  const seconds = (systemClock.monotonicMs() - scoring.readyMs) / 1000;
  const { cpuS, peakRssMb } = scoring.usage();
  const written = await scoring.topicRecords(connections.topics.predictions(DEMO_ENDPOINT), 'out');
  const commits = await scoring.metric('millrace_application_commits');
  if (written !== count) throw new Error(`${count} requests gave ${written} predictions`);
  const run = {
    requests_per_s: rounded(count / seconds),
    seconds: rounded(seconds),
    requests: count,
    cpu_s_per_million: rounded(((cpuS - scoring.usageAtReady.cpuS) * 1e6) / count),
    broker_cpu_s_per_million: rounded(((stack.brokerUsage().cpuS - brokerBefore.cpuS) * 1e6) / count),
    peak_rss_mb: peakRssMb,
    rows_per_commit: rounded(count / commits),
    commit_s: rounded(await scoring.metric('millrace_application_commit_seconds')),
  };
  await scoring.stop();
  await admin.close();
  return run;
}

await withTrained(options.trained, async (trained) => {
  say(`scoring: ${REQUESTS} requests in the log, a LightGBM model, 33 inputs, 5 views, ${RUNS} runs`);
  const all = demoRequests();
  const stack = await BenchStack.make(trained, { MILLRACE_TIME: 'live' });
  try {
    const connections = await stack.startLog();
    // what the demo left is scored first, and the online store is filled
    await once(stack, connections, all.slice(0, 1), null);
    const runs: Run[] = [];
    // a request more than once, under an id of its own each time
    const requests = Array.from({ length: REQUESTS }, (_, index) => all[index % all.length]).filter(
      (event) => event !== undefined,
    );
    for (let count = 0; count < RUNS; count += 1) {
      const run = await once(stack, connections, requests, null);
      say(`run ${count + 1}: ${tell(run)}`);
      runs.push(run);
    }
    if (options.profile !== null) {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-profile-'));
      const run = await once(stack, connections, requests, folder);
      writeProfileText(
        folder,
        options.profile,
        `Scoring role, ${REQUESTS} requests from a full backlog: ${run['requests_per_s']} requests/s under the profiler, start included in the profile.`,
      );
      rmSync(folder, { recursive: true });
      say(`profile in ${options.profile}`);
    }
    finish(options, {
      measures:
        'Requests in the log before the scoring role starts; from the moment it is ready until the offsets of all requests are committed, and with them their predictions (exactly once). Feature rows are looked up in the online store, which is full; the model runs in one worker thread. CPU is counted from then on too; peak memory includes the start; the broker shares the machine. Not measured: feature rows that arrive meanwhile.',
      settings: { requests: REQUESTS, partitions: 4, scoring_workers: 1, commit_interval_ms: 100, time: 'live' },
      variants: { scoring: runs },
    });
  } finally {
    await stack.remove();
  }
});
process.exit(0);
