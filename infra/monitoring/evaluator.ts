// Decides windows: waits until the warehouse is complete, computes the statistics, writes them once, and tells the lifecycle what
// follows. Statistics and commands have ids of their own, so that a repetition after a crash changes nothing.
import { type EventCodec } from '../../schemas/codec.ts';
import { type EndpointDefinition, type MonitorDefinition } from '../../schemas/definitions.ts';
import { type Statistic } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { alertsOf } from '../../processors/monitoring/alert-rules.ts';
import { type NextStep, nextStep } from '../../processors/monitoring/timetable.ts';
import { compareVersions } from '../../processors/monitoring/comparison/verdict.ts';
import {
  type SeenFeatures,
  type Subjects,
  type WindowData,
  subjectsOf,
  windowStatistics,
} from '../../processors/monitoring/window-statistics.ts';
import { isComplete } from '../../serving/analytics/complete.ts';
import { type Sql } from '../../serving/analytics/sql.ts';
import { WindowReader, type WindowResult } from '../../serving/analytics/window.ts';
import { viewsOf } from '../../serving/scoring/feature-vector.ts';
import { type VersionInput, versionId } from '../../serving/scoring/models.ts';
import { type Clock } from '../../streams/clock.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type Log, type LogAdmin, type TransactionSession } from '../../streams/log.ts';
import { type AppliedDefinitions } from '../definition-follower.ts';
import { WarehouseProgress } from './progress.ts';

const STEP_MS = 100;
/** Each look asks ClickHouse and Kafka: where nothing has moved for so long, it is taken more rarely. */
const QUIET_AFTER_MS = 5000;
const QUIET_STEP_MS = 1000;
const TRANSACTION_TIMEOUT_MS = 60_000;

export interface OpenRollout {
  readonly id: string;
  readonly champion: number;
  readonly challenger: number;
  readonly effectiveFromMs: number | null;
}

export interface EvaluatorParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly codec: EventCodec;
  readonly names: TopicNames;
  readonly prefix: string;
  /** event: windows are decided by event time (replay); live: by the wall clock */
  readonly mode: 'event' | 'live';
  readonly sql: Sql;
  readonly definitions: AppliedDefinitions;
  /** statistics by window end, of each monitor, as the log has them */
  readonly statistics: ReadonlyMap<string, ReadonlyMap<number, readonly Statistic[]>>;
  rolloutOf(endpoint: string): OpenRollout | null;
  inputsOf(versionId: string): readonly VersionInput[];
  /** resolves once the log's lifecycle up to now was folded */
  caughtUp(): Promise<void>;
  send(type: string, payload: unknown, commandId: string): Promise<unknown>;
  readonly signal: AbortSignal;
}

export class Evaluator {
  readonly #parts: EvaluatorParts;
  readonly #monitor: MonitorDefinition;
  readonly #endpoint: EndpointDefinition;
  readonly #windows: WindowReader;
  readonly #progress: WarehouseProgress;
  readonly #admin: LogAdmin;
  #session: TransactionSession | null = null;
  readonly #headers = headerMaker('millrace.Statistic', 'millrace/monitoring');
  /** windows decided by this process, by their end: the fold of the log may be a moment behind */
  readonly #decided = new Map<number, readonly Statistic[]>();
  #reference: Subjects | null = null;

  constructor(parts: EvaluatorParts, monitor: MonitorDefinition, endpoint: EndpointDefinition) {
    this.#parts = parts;
    this.#monitor = monitor;
    this.#endpoint = endpoint;
    this.#windows = new WindowReader(parts.sql, parts.names, parts.prefix, endpoint);
    this.#admin = parts.log.admin();
    this.#progress = new WarehouseProgress({
      sql: parts.sql,
      names: parts.names,
      prefix: parts.prefix,
      endpoint,
      admin: this.#admin,
    });
  }

  /** Runs until the signal. */
  async run(): Promise<void> {
    const { signal, statistics, log, names, mode } = this.#parts;
    const { first_window_start, window_ms, maturity_ms, name } = this.#monitor;
    await this.#parts.codec.prepare(names.statistics, ['Statistic']);
    // whoever evaluates this monitor now fences a predecessor that is still writing
    this.#session = await log.transactions(`${names.statistics}.${name}`, TRANSACTION_TIMEOUT_MS);
    const decided = [...(statistics.get(name)?.keys() ?? [])];
    // the last decided window again: its commands may not have been sent
    let startMs = decided.length === 0 ? first_window_start : Math.max(...decided) - window_ms;
    if (decided.length === 0) await this.#askForFirstModel();
    for (; !signal.aborted; startMs += window_ms) {
      const endMs = startMs + window_ms;
      const decideAtMs = endMs + maturity_ms;
      await this.#waitFor(decideAtMs, async (step) => step === 'decide');
      if (signal.aborted) return;
      // a live platform may have started long after the first window
      if (mode === 'live' && statistics.get(name)?.has(endMs) !== true && !(await this.#hasPredictions(startMs, endMs)))
        continue;
      await this.#decide(startMs, endMs, decideAtMs);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#session?.close(), this.#admin.close()]);
  }

  /** Resolves when something is due, or the signal aborts; when the replay ends before `atMs` lets the endpoint go, and waits on. */
  async #waitFor(atMs: number, isDue: (step: NextStep) => Promise<boolean>): Promise<void> {
    const { clock, signal, mode, send } = this.#parts;
    const endpoint = this.#endpoint.name;
    let releasedAtMs: number | null = null;
    let [last, movedMs] = ['', clock.monotonicMs()];
    while (!signal.aborted) {
      const progress = await this.#progress.at(atMs, clock.nowMs());
      const step = nextStep(mode, atMs, progress);
      if (await isDue(step)) return;
      const { sourcesOverAtMs } = progress;
      if (step === 'release' && releasedAtMs !== sourcesOverAtMs) {
        await send('ReleaseControl', { endpoint }, `${this.#monitor.name}:${String(sourcesOverAtMs)}:ReleaseControl`);
        releasedAtMs = sourcesOverAtMs;
      }
      const seen = JSON.stringify({ ...progress, nowMs: null });
      if (seen !== last) [last, movedMs] = [seen, clock.monotonicMs()];
      await clock.sleep(clock.monotonicMs() - movedMs >= QUIET_AFTER_MS ? QUIET_STEP_MS : STEP_MS, signal);
    }
  }

  async #hasPredictions(fromMs: number, toMs: number): Promise<boolean> {
    return (await this.#windows.predictions(fromMs, toMs)).length > 0;
  }

  /** Starts the clock of decisions; where a policy asks for a first model, once its training range is in the warehouse. */
  async #askForFirstModel(): Promise<void> {
    const { definitions, names, sql, clock, signal, send, mode } = this.#parts;
    const { name: endpoint } = this.#endpoint;
    const initial = definitions.retrainingPolicyOf(endpoint)?.initial ?? null;
    const { first_window_start, window_ms, maturity_ms, name } = this.#monitor;
    if (initial !== null) {
      const topics = [
        names.requests(endpoint),
        names.outcomes(endpoint),
        ...viewsOf(this.#endpoint).map((view) => names.features(view)),
      ];
      const partitions = await this.#admin.partitionsOf(topics);
      const wanted = topics.map((topic) => ({ topic, places: partitions.get(topic) ?? 1 }));
      await this.#waitFor(initial.train_to, () => isComplete(sql, wanted, initial.train_to, mode, clock.nowMs()));
      if (signal.aborted) return;
    }
    const next_decision_at = first_window_start + window_ms + maturity_ms;
    await send(
      'AdvanceControl',
      { endpoint, decided_at: initial?.train_to ?? first_window_start, next_decision_at },
      `${name}:initial:AdvanceControl`,
    );
  }

  async #decide(startMs: number, endMs: number, decidedMs: number): Promise<void> {
    const { statistics, send, caughtUp } = this.#parts;
    const { name, window_ms } = this.#monitor;
    // versions that made predictions of this window are known, and the rollout is as it was at the decision
    await caughtUp();
    let current = statistics.get(name)?.get(endMs);
    if (current === undefined) {
      current = await this.#compute(startMs, endMs, decidedMs);
      await this.#write(current);
    }
    const known = new Map([...(statistics.get(name) ?? []), ...this.#decided, [endMs, current]]);
    this.#decided.set(endMs, current);
    const windows = [...known]
      .filter(([end]) => end <= endMs)
      .sort(([a], [b]) => a - b)
      .map(([, list]) => list);
    for (const alert of alertsOf(this.#monitor, windows))
      await send('RaiseAlert', alert, `${alert.alert_id}:RaiseAlert`);
    await this.#judgeRollout(decidedMs);
    await send(
      'AdvanceControl',
      { endpoint: this.#endpoint.name, decided_at: decidedMs, next_decision_at: decidedMs + window_ms },
      `${name}:${decidedMs}:AdvanceControl`,
    );
  }

  async #compute(startMs: number, endMs: number, decidedMs: number): Promise<Statistic[]> {
    const data: WindowData = {
      startMs,
      endMs,
      decidedMs,
      results: await this.#windows.results(startMs, endMs, decidedMs),
      predictions: await this.#seen(startMs, endMs),
    };
    return windowStatistics(this.#monitor, this.#endpoint, data, await this.#referenceAt(startMs));
  }

  async #seen(fromMs: number, toMs: number): Promise<SeenFeatures[]> {
    const predictions = await this.#windows.predictions(fromMs, toMs);
    return predictions.map(({ score, version, features }) => {
      const inputs = this.#parts.inputsOf(versionId(this.#endpoint.model, version));
      const named = new Map(inputs.map((input, index) => [input.name, nameOf(features[index] ?? null, input)]));
      return { score, values: this.#endpoint.inputs.map(({ name }) => named.get(name) ?? null) };
    });
  }

  /** The reference is used for windows that begin after it: one inside would be compared with itself. */
  async #referenceAt(startMs: number): Promise<Subjects | null> {
    const { from, to } = this.#monitor.reference;
    if (startMs < to) return null;
    if (this.#reference === null) {
      const results = await this.#windows.results(from, to, to + this.#monitor.maturity_ms);
      this.#reference = subjectsOf(
        this.#endpoint,
        await this.#seen(from, to),
        results.filter(({ purpose }) => purpose === 'live').map(({ label }) => label),
      );
    }
    return this.#reference;
  }

  async #write(statistics: readonly Statistic[]): Promise<void> {
    const { names, codec, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const session = this.#session;
    if (session === null) throw new Failure('internal', 'The evaluator writes before it runs.');
    const records = statistics.map((statistic) => ({
      topic: names.statistics,
      partition: 0,
      timestampMs: statistic.event_time,
      key: Buffer.from(statistic.monitor),
      value: codec.encode('Statistic', statistic),
      headers: this.#headers(statistic.statistic_id, nowMs),
    }));
    // all or nothing: a window with some of its statistics would pass for decided
    session.begin();
    await session.append(records);
    await session.commit();
  }

  async #judgeRollout(decidedMs: number): Promise<void> {
    const { rolloutOf, definitions, send } = this.#parts;
    const endpoint = this.#endpoint.name;
    const rollout = rolloutOf(endpoint);
    const policy = definitions.rolloutPolicyOf(endpoint);
    if (rollout === null || policy === undefined) return;
    const fromMs = rollout.effectiveFromMs ?? 0;
    // the newest whole windows that both versions have scored
    const toMs = decidedMs - this.#monitor.maturity_ms;
    if (toMs <= fromMs) return;
    const rows = paired(await this.#windows.results(fromMs, toMs, decidedMs), rollout);
    const compared = compareVersions(rows, policy);
    const payload = {
      rollout_id: rollout.id,
      endpoint,
      event_time: decidedMs,
      decided_at: decidedMs,
      verdict: compared.verdict,
      metric: compared.metric,
      rows: compared.rows,
      champion_value: compared.champion,
      challenger_value: compared.challenger,
      difference: compared.gain,
      low: compared.low,
      high: compared.high,
      reason: compared.reason,
    };
    try {
      await send('RecordVerdict', payload, `${rollout.id}:${decidedMs}:RecordVerdict`);
    } catch (error) {
      // somebody ended the rollout by hand meanwhile
      if (!(error instanceof Failure && error.code === 'conflict')) throw error;
    }
  }
}

function nameOf(value: number | null, input: VersionInput | undefined): number | string | null {
  if (input?.kind !== 'category' || value === null) return value;
  return input.categories?.[value] ?? 'unknown';
}

function paired(results: readonly WindowResult[], { champion, challenger }: OpenRollout) {
  const scores = new Map<string, { label: number; champion?: number; challenger?: number }>();
  for (const { request_id, version, score, label } of results) {
    const row = scores.get(request_id) ?? { label };
    row.label = label;
    if (version === champion) row.champion = score;
    else if (version === challenger) row.challenger = score;
    scores.set(request_id, row);
  }
  const both = [...scores.values()].filter(
    (row): row is { label: number; champion: number; challenger: number } =>
      row.champion !== undefined && row.challenger !== undefined,
  );
  return {
    labels: both.map((row) => row.label),
    champion: both.map((row) => row.champion),
    challenger: both.map((row) => row.challenger),
  };
}
