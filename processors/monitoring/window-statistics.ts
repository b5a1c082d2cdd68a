// All statistics of one window, in a fixed order: performance of the live stream and of each version, then drift of every subject.
import { type EndpointDefinition, type MonitorDefinition } from '../../schemas/definitions.ts';
import { type Statistic } from '../../schemas/events.generated.ts';
import { DRIFT_STATISTICS } from './drift/catalogue.ts';
import { type Sample, categorySample, numberSample, rowsOf } from './drift/sample.ts';
import { MEASURES } from './measures/catalogue.ts';

export interface ScoredResult {
  readonly version: number;
  readonly purpose: string;
  readonly score: number;
  readonly label: number;
}

export interface SeenFeatures {
  readonly score: number;
  /** text for categories, in the order of the endpoint's inputs */
  readonly values: readonly (number | string | null)[];
}

export interface WindowData {
  readonly startMs: number;
  readonly endMs: number;
  readonly decidedMs: number;
  /** ordered by request */
  readonly results: readonly ScoredResult[];
  readonly predictions: readonly SeenFeatures[];
}

/** Subjects and their values in one window or in the reference. */
export type Subjects = ReadonlyMap<string, Sample>;

/** Version 0: the live stream as a whole, whichever version answered. */
export const LIVE_STREAM = 0;

export function subjectsOf(
  endpoint: EndpointDefinition,
  predictions: readonly SeenFeatures[],
  labels: readonly number[],
): Subjects {
  const subjects = new Map<string, Sample>();
  for (const [index, { name, kind }] of endpoint.inputs.entries()) {
    const values = predictions.map((prediction) => prediction.values[index] ?? null);
    subjects.set(
      name,
      kind === 'category'
        ? categorySample(values.map((value) => (value === null ? null : String(value))))
        : numberSample(values.map((value) => (typeof value === 'number' ? value : null))),
    );
  }
  subjects.set('score', numberSample(predictions.map(({ score }) => score)));
  subjects.set('label', categorySample(labels.map(String)));
  return subjects;
}

export function windowStatistics(
  monitor: MonitorDefinition,
  endpoint: EndpointDefinition,
  data: WindowData,
  reference: Subjects | null,
): Statistic[] {
  const live = data.results.filter(({ purpose }) => purpose === 'live');
  const statistics = performanceOf(monitor, endpoint, data, LIVE_STREAM, live);
  for (const version of [...new Set(data.results.map((result) => result.version))].sort((a, b) => a - b)) {
    statistics.push(
      ...performanceOf(
        monitor,
        endpoint,
        data,
        version,
        data.results.filter((result) => result.version === version),
      ),
    );
  }
  const current = subjectsOf(
    endpoint,
    data.predictions,
    live.map(({ label }) => label),
  );
  for (const [subject, sample] of current)
    statistics.push(...driftOf(monitor, endpoint, data, subject, reference?.get(subject) ?? null, sample));
  return statistics;
}

function base(
  monitor: MonitorDefinition,
  endpoint: EndpointDefinition,
  data: WindowData,
  name: string,
  subject: string,
  version: number,
) {
  return {
    statistic_id: `${monitor.name}:${data.endMs}:${name}:${subject}:${version}`,
    monitor: monitor.name,
    endpoint: endpoint.name,
    window_start: data.startMs,
    window_end: data.endMs,
    event_time: data.decidedMs,
    name,
    subject,
    model: endpoint.model,
    version,
  };
}

function performanceOf(
  monitor: MonitorDefinition,
  endpoint: EndpointDefinition,
  data: WindowData,
  version: number,
  results: readonly ScoredResult[],
): Statistic[] {
  const rows = { labels: results.map(({ label }) => label), scores: results.map(({ score }) => score) };
  return MEASURES.map((measure) => {
    const { value, low, high, reason } = measure.measure(rows);
    const verdict = value === null ? 'undecidable' : 'ok';
    return {
      ...base(monitor, endpoint, data, measure.name, measure.subject, version),
      value,
      low,
      high,
      rows: results.length,
      threshold: null,
      verdict,
      reason,
    };
  });
}

function driftOf(
  monitor: MonitorDefinition,
  endpoint: EndpointDefinition,
  data: WindowData,
  subject: string,
  reference: Sample | null,
  current: Sample,
): Statistic[] {
  return DRIFT_STATISTICS.filter(({ kinds }) => kinds.includes(current.kind)).map((statistic) => {
    const common = {
      ...base(monitor, endpoint, data, statistic.name, subject, LIVE_STREAM),
      low: null,
      high: null,
      rows: rowsOf(current),
    };
    if (reference === null)
      return {
        ...common,
        value: null,
        threshold: null,
        verdict: 'undecidable',
        reason: 'The window begins before the end of the reference window: it would be compared with itself.',
      };
    const { value, threshold, verdict, reason } = statistic.compare(reference, current);
    return { ...common, value, threshold, verdict, reason };
  });
}
