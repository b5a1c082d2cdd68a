// A loop's events as the log keeps them, made by hand: a champion, a drift, an alert, a challenger that is promoted.
// `quiet-fares` is an endpoint that nobody watches and that has no model.
import { type Event } from '../../../schemas/codec.ts';
import { type Statistic } from '../../../schemas/events.generated.ts';
import { type LogRecord } from '../../../streams/log.ts';
import { topicNames } from '../../../schemas/topics.ts';

export interface Told {
  readonly event: Event;
  readonly record: LogRecord;
}

export const DAY_MS = 86_400_000;
export const APRIL_MS = Date.UTC(2013, 3, 1);
export const WRITTEN_MS = Date.UTC(2026, 0, 5, 10);
export const ENDPOINT = 'flight-delay';
export const QUIET = 'quiet-fares';
const MODEL = ENDPOINT;
const MONITOR = 'flight-delay-weekly';
const names = topicNames('millrace.');
const week = (count: number): number => APRIL_MS + count * 7 * DAY_MS;

/** Puts events on their topics, one offset after the other. */
export class Story {
  readonly told: Told[] = [];
  readonly #next = new Map<string, number>();

  tell(...events: readonly Event[]): this {
    for (const event of events) {
      const topic = topicOf(event);
      const offset = this.#next.get(topic) ?? 0;
      this.#next.set(topic, offset + 1);
      const timestampMs = WRITTEN_MS + this.told.length * 1000;
      this.told.push({
        event,
        record: { topic, partition: 0, offset, timestampMs, key: null, value: null, headers: [] },
      });
    }
    return this;
  }

  /** Of the last event of this kind. */
  offsetOf(name: Event['name']): number {
    return this.told.findLast(({ event }) => event.name === name)?.record.offset ?? -1;
  }
}

function topicOf({ name }: Event): string {
  if (name === 'Statistic') return names.statistics;
  return name === 'RunMetric' ? names.metrics : names.lifecycle;
}

export function define(kind: string, name: string, spec: object): Event {
  return { name: 'DefinitionApplied', value: { kind, name, hash: 'c0ffee1234567890', spec: JSON.stringify(spec) } };
}

export function statistic(given: Partial<Statistic>): Event {
  const windowEnd = given.window_end ?? week(1);
  return {
    name: 'Statistic',
    value: {
      statistic_id: '',
      monitor: MONITOR,
      endpoint: ENDPOINT,
      window_start: windowEnd - 7 * DAY_MS,
      window_end: windowEnd,
      event_time: windowEnd + 2 * DAY_MS,
      name: 'auc',
      subject: '',
      model: MODEL,
      version: 0,
      value: null,
      low: null,
      high: null,
      rows: 800,
      threshold: null,
      verdict: 'ok',
      reason: '',
      ...given,
    },
  };
}

/** The measures of one version in the window that ends after so many weeks. */
function measures(weeks: number, version: number, auc: number): Event[] {
  const at = { window_end: week(weeks), version };
  return [
    statistic({ ...at, name: 'auc', value: auc, low: auc - 0.03, high: auc + 0.03 }),
    statistic({ ...at, name: 'log_loss', value: 0.5 + weeks / 100 }),
    statistic({ ...at, name: 'label_rate', subject: 'label', value: 0.2 + weeks / 100 }),
    statistic({ ...at, name: 'score_mean', subject: 'score', value: 0.21 }),
  ];
}

const FEATURES = [
  'origin_delay_mean_1h',
  'origin_delay_mean_24h',
  'carrier_delay_mean_24h',
  'destination_count_3h',
  'tail_delay_mean_24h',
  'weather_temperature',
  'weather_gust',
  'distance',
];

/** In the first four weeks there is nothing to compare with yet. */
function drifts(weeks: number): Event[] {
  return ['score', 'label', ...FEATURES].flatMap((subject, index) => {
    const comparable = weeks > 4;
    const value = comparable ? (index + 1) * 0.01 * (weeks - 4) : null;
    const verdict = value === null ? 'undecidable' : value > 0.2 ? 'drift' : 'ok';
    const reason = value === null ? 'It would be compared with itself.' : `PSI ${value.toFixed(3)} of ${subject}.`;
    const common = { window_end: week(weeks), subject, verdict, reason };
    return [
      statistic({ ...common, name: 'psi', value, threshold: comparable ? 0.2 : null }),
      statistic({ ...common, name: 'js', value, threshold: comparable ? 0.2 : null }),
    ];
  });
}

/** A week of the monitor: live, version 1, and version 2 once it exists. */
export function watched(weeks: number, champion = 1): Event[] {
  const auc = { 1: 0.78 - weeks * 0.004, 2: 0.79 - weeks * 0.003 };
  return [
    ...measures(weeks, 0, champion === 1 ? auc[1] : auc[2]),
    ...measures(weeks, 1, auc[1]),
    ...(weeks > 11 ? measures(weeks, 2, auc[2]) : []),
    ...drifts(weeks),
  ];
}

function trained(version: number, fromMs: number, toMs: number, auc: number): Event[] {
  const training_id = `training-${version}`;
  const run_id = `${version}`.repeat(32);
  const startedMs = WRITTEN_MS + version * 60_000;
  return [
    {
      name: 'RetrainingRequested',
      value: {
        retraining_id: `retraining-${version}`,
        endpoint: ENDPOINT,
        policy: 'policy',
        alert_id: '',
        event_time: toMs,
        reason: 'The range is over.',
      },
    },
    {
      name: 'TrainingRequested',
      value: {
        training_id,
        endpoint: ENDPOINT,
        model: MODEL,
        trainer: 'lightgbm',
        train_from: fromMs,
        train_to: toMs,
        cutoff: toMs,
        effective_from: toMs,
        retraining_id: `retraining-${version}`,
        reason: '',
      },
    },
    { name: 'TrainingStarted', value: { training_id, run_id: '', executor: 'local process' } },
    {
      name: 'RunStarted',
      value: {
        run_id,
        experiment_id: '1',
        run_name: training_id,
        user_id: 'unknown',
        started_at: startedMs,
        artifact_uri: '',
        tags: {},
      },
    },
    { name: 'RunMetric', value: { run_id, key: 'auc', value: 0.5, timestamp: startedMs, step: 0 } },
    { name: 'RunMetric', value: { run_id, key: 'auc', value: auc, timestamp: startedMs, step: 1 } },
    { name: 'RunMetric', value: { run_id, key: 'rows', value: 76_543, timestamp: startedMs, step: 0 } },
    { name: 'RunEnded', value: { run_id, status: 'FINISHED', ended_at: startedMs + 42_000 } },
    {
      name: 'ModelVersionCreated',
      value: {
        model: MODEL,
        version,
        source: '',
        run_id,
        created_at: startedMs,
        description: '',
        weights_sha256: 'ab'.repeat(32),
        weights_uri: '',
        inputs: '[]',
        metrics: {},
        training_set_id: '',
        training_id,
        tags: {},
      },
    },
    { name: 'TrainingCompleted', value: { training_id, run_id, model: MODEL, version } },
    {
      name: 'GatesChecked',
      value: {
        model: MODEL,
        version,
        passed: true,
        gates: [
          { name: 'auc', passed: true, value: auc, threshold: 0.7, reason: `auc is ${auc}, at least 0.7 is asked for` },
        ],
      },
    },
    {
      name: 'VersionApproved',
      value: { model: MODEL, version, approved_by: 'flight-delay-rollout', reason: 'The gates are passed.' },
    },
  ];
}

export function promoted(version: number, previous: number, effectiveMs: number | null): Event[] {
  return [
    {
      name: 'Promoted',
      value: {
        endpoint: ENDPOINT,
        model: MODEL,
        version,
        previous_version: previous,
        effective_from: effectiveMs,
        reason: `Version ${version} held.`,
        rollout_id: '',
      },
    },
    {
      name: 'RoutingChanged',
      value: { endpoint: ENDPOINT, effective_from: effectiveMs, rollout_id: '', arms: [], reason: '' },
    },
  ];
}

export const ALERT: Event = {
  name: 'AlertRaised',
  value: {
    alert_id: 'alert-1',
    monitor: MONITOR,
    endpoint: ENDPOINT,
    event_time: week(10) + 2 * DAY_MS,
    statistic_id: '',
    name: 'label_rate',
    subject: 'label',
    value: 0.3059,
    threshold: 0.3,
    reason: 'label_rate of label is 0.3059, above 0.3 in 2 windows in a row.',
  },
};

export const SHADOW: Event = {
  name: 'RolloutStarted',
  value: {
    rollout_id: 'rollout-1',
    endpoint: ENDPOINT,
    model: MODEL,
    champion: 1,
    challenger: 2,
    policy: 'policy',
    effective_from: week(11),
    reason: 'Version 2 scores every request in shadow beside the champion, version 1.',
  },
};

export function verdict(word: string, reason: string): Event {
  return {
    name: 'VerdictReached',
    value: {
      rollout_id: 'rollout-1',
      endpoint: ENDPOINT,
      event_time: week(13),
      verdict: word,
      metric: 'auc',
      rows: 5194,
      champion_value: 0.73,
      challenger_value: 0.75,
      difference: 0.02,
      low: 0.005,
      high: 0.03,
      reason,
    },
  };
}

export function advanced(stage: string, share: number): Event {
  return {
    name: 'RolloutAdvanced',
    value: {
      rollout_id: 'rollout-1',
      endpoint: ENDPOINT,
      model: MODEL,
      challenger: 2,
      stage,
      share,
      effective_from: week(14),
      reason: `It goes to ${stage}.`,
    },
  };
}

const weeks = (from: number, to: number, champion: number): Event[] =>
  Array.from({ length: to - from + 1 }, (_, index) => watched(from + index, champion)).flat();

/** Up to the canary step of version 2, after 13 weeks. */
export function loopStory(): Story {
  return new Story()
    .tell(define('entity', 'origin', {}), define('feature_view', 'origin_departures', {}))
    .tell(define('endpoint', ENDPOINT, { model: MODEL }), define('endpoint', QUIET, { model: 'fares' }))
    .tell(define('monitor', MONITOR, { endpoint: ENDPOINT }))
    .tell(...trained(1, Date.UTC(2013, 0, 1), APRIL_MS, 0.7834), ...promoted(1, 0, APRIL_MS))
    .tell(...weeks(1, 10, 1), ALERT)
    .tell(...trained(2, week(0), week(10), 0.7712), SHADOW)
    .tell(...weeks(11, 13, 1), verdict('wait', 'Still too wide.'))
    .tell(verdict('pass', 'The gain is 0.02, wholly above 0.'), advanced('canary', 0.1));
}

/** And what comes after: the promotion. */
export function ending(): readonly Event[] {
  return [...weeks(14, 14, 1), advanced('full', 1), ...promoted(2, 1, week(14) + 3 * DAY_MS), ...weeks(15, 15, 2)];
}
