// Departures per second through the features role: four views over one topic, exactly once, from a full backlog.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../infra/clock.ts';
import { type Connections } from '../../infra/connect.ts';
import { applyDefinitions } from '../../infra/definitions.ts';
import { LoopProgress, demoCodecs, demoDefinitions } from '../../infra/demo/demo.ts';
import { DEMO_TOPICS, type DemoEvent, FlightYear } from '../../infra/demo/flights.ts';
import { replay } from '../../infra/demo/replayer.ts';
import { BenchStack, until } from './bench-stack.ts';
import { writeProfileText } from './cpu-profile.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';

const options = readOptions();
const EVENTS = options.quick ? 20_000 : 200_000;
const RUNS = options.quick ? 1 : 3;
const WITHIN_MS = 600_000;
const TELL_EVERY_MS = 5000;

const year = new FlightYear().events({ sample: 1, fromMs: -8e15, untilMs: 8e15 });
const departures: DemoEvent[] = [];
for (let at = 0; at < year.length && departures.length < EVENTS; at += 1000)
  for (const event of year.slice(at, at + 1000))
    if (event.topic === DEMO_TOPICS.departures && departures.length < EVENTS) departures.push(event);
const lastMs = departures.at(-1)?.eventTimeMs ?? 0;
const definitions = demoDefinitions().filter(
  (definition) =>
    definition.kind === 'entity' ||
    (definition.kind === 'feature_view' && definition.source.topic === DEMO_TOPICS.departures),
);
const views = definitions.flatMap((definition) => (definition.kind === 'feature_view' ? [definition.name] : []));

async function produce(connections: Connections): Promise<void> {
  const codec = (await demoCodecs(connections)).get(DEMO_TOPICS.departures);
  if (codec === undefined) throw new Error('there is no schema of departures');
  const produced = new AbortController();
  await replay({
    log: connections.log,
    clock: systemClock,
    names: connections.topics,
    codec: connections.codec,
    codecs: new Map([[DEMO_TOPICS.departures, codec]]),
    events: {
      length: departures.length,
      timeMs: (index) => departures[index]?.eventTimeMs,
      slice: (from, to) => departures.slice(from, to),
    },
    speed: null,
    waitFor: async () => undefined,
    // stopped before its end: the last mark stays one of event time
    progress: (_timeMs, count) => (count === departures.length ? produced.abort() : undefined),
    signal: produced.signal,
    endMs: lastMs + 1,
  });
}

async function once(profileFolder: string | null): Promise<Run> {
  const stack = await BenchStack.make(null, { MILLRACE_TIME: 'event' });
  try {
    const connections = await stack.startLog();
    const lifecycle = await stack.startRole('lifecycle');
    await applyDefinitions(connections, stack.settings, definitions, 'bench');
    await lifecycle.stop();
    await produce(connections);
    const { topics, log } = connections;
    const progress = new LoopProgress(connections);
    await progress.start(views.map((view) => topics.features(view)));
    const doneTo = (): number => Math.min(...views.map((view) => progress.doneTo(topics.features(view), 0)));
    const brokerBefore = stack.brokerUsage();
    say(`${departures.length} departures are in the log; the features role starts`);
    const features = await stack.startRole('features', {}, profileFolder);
    let toldMs = systemClock.monotonicMs();
    const isDone = (): boolean => {
      if (systemClock.monotonicMs() - toldMs > TELL_EVERY_MS) {
        toldMs = systemClock.monotonicMs();
        const done = doneTo();
        say(`… done to ${done > 0 ? new Date(done).toISOString().slice(0, 10) : 'nowhere yet'}`);
      }
      return features.child.ended || doneTo() >= lastMs;
    };
    await until('all views are done', isDone, WITHIN_MS);
    features.requireAlive();
    const seconds = (systemClock.monotonicMs() - features.readyMs) / 1000;
    const { cpuS, peakRssMb } = features.usage();
    const run = {
      events_per_s: rounded(departures.length / seconds),
      seconds: rounded(seconds),
      cpu_s_per_million: rounded(((cpuS - features.usageAtReady.cpuS) * 1e6) / departures.length),
      broker_cpu_s_per_million: rounded(((stack.brokerUsage().cpuS - brokerBefore.cpuS) * 1e6) / departures.length),
      peak_rss_mb: peakRssMb,
      written_records: await features.metric('millrace_application_written_records'),
      commits: await features.metric('millrace_application_commits'),
      commit_s: rounded(await features.metric('millrace_application_commit_seconds')),
    };
    await features.stop();
    await progress.stop();
    await log.close();
    return run;
  } finally {
    await stack.remove();
  }
}

say(`features: ${EVENTS} departures of 2013 through ${views.length} views (${views.join(', ')}), ${RUNS} runs`);
const runs: Run[] = [];
for (let count = 0; count < RUNS; count += 1) {
  const run = await once(null);
  say(`run ${count + 1}: ${tell(run)}`);
  runs.push(run);
}
if (options.profile !== null) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-profile-'));
  const run = await once(folder);
  writeProfileText(
    folder,
    options.profile,
    `Features role, ${EVENTS} departures through ${views.length} views: ${run['events_per_s']} events/s under the profiler, start included in the profile.`,
  );
  rmSync(folder, { recursive: true });
  say(`profile in ${options.profile}`);
}
finish(options, {
  measures:
    'Departures in the log before the features role starts; from the moment it is ready until the watermarks of all views have reached the last departure, so every row is committed (exactly once). Each departure goes through every view: repartition topic, window, feature row, changelog. CPU is counted from then on too; peak memory includes the start; the broker shares the machine. Not measured: the sink, the scorer.',
  settings: { events: EVENTS, views, partitions: 4, feature_workers: 1, commit_interval_ms: 100, time: 'event' },
  variants: { features: runs },
});
process.exit(0);
