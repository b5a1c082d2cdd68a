// Decides windows: waits until the warehouse is complete, computes the statistics, writes them once, and tells the lifecycle what
// follows. Statistics and commands have ids of their own, so that a repetition after a crash changes nothing.
import { type EventCodec } from '../../schemas/codec.ts';
import { type EndpointDefinition, type MonitorDefinition } from '../../schemas/definitions.ts';
import { type Statistic } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { alertsOf } from '../../processors/monitoring/alert-rules.ts';
import { compareVersions } from '../../processors/monitoring/comparison/verdict.ts';
import { type SeenFeatures, type Subjects, type WindowData, subjectsOf, windowStatistics } from '../../processors/monitoring/window-statistics.ts';
import { type WantedTopic, waitComplete } from '../../serving/analytics/complete.ts';
import { type Sql } from '../../serving/analytics/sql.ts';
import { WindowReader, type WindowResult } from '../../serving/analytics/window.ts';
import { viewsOf } from '../../serving/scoring/feature-vector.ts';
import { type VersionInput, versionId } from '../../serving/scoring/models.ts';
import { type Clock } from '../../streams/clock.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type Log, type LogWriter } from '../../streams/log.ts';
import { type AppliedDefinitions } from '../definition-follower.ts';

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
  readonly partitions: number;
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
  readonly #writer: LogWriter;
  readonly #headers = headerMaker('millrace.Statistic', 'millrace/monitoring');
  #reference: Subjects | null = null;

  constructor(parts: EvaluatorParts, monitor: MonitorDefinition, endpoint: EndpointDefinition) {
    this.#parts = parts;
    this.#monitor = monitor;
    this.#endpoint = endpoint;
    this.#windows = new WindowReader(parts.sql, parts.names, parts.prefix, endpoint);
    this.#writer = parts.log.writer();
  }

  /** Runs until the signal. */
  async run(): Promise<void> {
    const { signal, statistics } = this.#parts;
    const { first_window_start, window_ms, maturity_ms, name } = this.#monitor;
    await this.#parts.codec.prepare(this.#parts.names.statistics, ['Statistic']);
    const decided = [...(statistics.get(name)?.keys() ?? [])];
    // the last decided window again: its commands may not have been sent
    let startMs = decided.length === 0 ? first_window_start : Math.max(...decided) - window_ms;
    if (decided.length === 0) await this.#askForFirstModel();
    for (; !signal.aborted; startMs += window_ms) {
      const endMs = startMs + window_ms;
      await waitComplete(this.#parts.sql, this.#scoredTopics(), endMs + maturity_ms, this.#parts.clock, signal);
      if (signal.aborted) return;
      await this.#decide(startMs, endMs, endMs + maturity_ms);
    }
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  #scoredTopics(): WantedTopic[] {
    const { names, partitions } = this.#parts;
    return [
      { topic: names.results(this.#endpoint.name), places: partitions },
      // the live path and the shadow
      { topic: names.predictions(this.#endpoint.name), places: 2 * partitions },
    ];
  }

  async #askForFirstModel(): Promise<void> {
    const { definitions, names, partitions, sql, clock, signal, send } = this.#parts;
    const { name: endpoint } = this.#endpoint;
    const initial = definitions.retrainingPolicyOf(endpoint)?.initial ?? null;
    if (initial === null) return;
    const topics = [names.requests(endpoint), names.outcomes(endpoint), ...viewsOf(this.#endpoint).map((view) => names.features(view))];
    await waitComplete(sql, topics.map((topic) => ({ topic, places: partitions })), initial.train_to, clock, signal);
    if (signal.aborted) return;
    const { first_window_start, window_ms, maturity_ms, name } = this.#monitor;
    const next_decision_at = first_window_start + window_ms + maturity_ms;
    await send('AdvanceControl', { endpoint, decided_at: initial.train_to, next_decision_at }, `${name}:initial:AdvanceControl`);
  }

  async #decide(startMs: number, endMs: number, decidedMs: number): Promise<void> {
    const { statistics, send, caughtUp } = this.#parts;
    const { name, window_ms } = this.#monitor;
    const earlier = statistics.get(name);
    let current = earlier?.get(endMs);
    if (current === undefined) {
      current = await this.#compute(startMs, endMs, decidedMs);
      await this.#write(current);
    }
    const windows = [...(earlier ?? [])].filter(([end]) => end < endMs).sort(([a], [b]) => a - b).map(([, list]) => list);
    for (const alert of alertsOf(this.#monitor, [...windows, current])) await send('RaiseAlert', alert, `${alert.alert_id}:RaiseAlert`);
    await caughtUp();
    await this.#judgeRollout(decidedMs);
    await send('AdvanceControl', { endpoint: this.#endpoint.name, decided_at: decidedMs, next_decision_at: decidedMs + window_ms }, `${name}:${decidedMs}:AdvanceControl`);
  }

  async #compute(startMs: number, endMs: number, decidedMs: number): Promise<Statistic[]> {
    const data: WindowData = {
      startMs,
      endMs,
      decidedMs,
      results: await this.#windows.results(startMs, endMs, decidedMs),
      predictions: await this.#seen(startMs, endMs),
    };
    return windowStatistics(this.#monitor, this.#endpoint, data, await this.#referenceAt(endMs, decidedMs));
  }

  async #seen(fromMs: number, toMs: number): Promise<SeenFeatures[]> {
    const predictions = await this.#windows.predictions(fromMs, toMs);
    return predictions.map(({ score, version, features }) => {
      const inputs = this.#parts.inputsOf(versionId(this.#endpoint.model, version));
      return { score, values: features.map((value, index) => nameOf(value, inputs[index])) };
    });
  }

  /** The reference is known once it is over. */
  async #referenceAt(endMs: number, decidedMs: number): Promise<Subjects | null> {
    const { from, to } = this.#monitor.reference;
    if (to > endMs) return null;
    if (this.#reference === null) {
      const results = await this.#windows.results(from, to, Math.min(decidedMs, to + this.#monitor.maturity_ms));
      this.#reference = subjectsOf(this.#endpoint, await this.#seen(from, to), results.filter(({ purpose }) => purpose === 'live').map(({ label }) => label));
    }
    return this.#reference;
  }

  async #write(statistics: readonly Statistic[]): Promise<void> {
    const { names, codec, clock } = this.#parts;
    const nowMs = clock.nowMs();
    await this.#writer.append(
      statistics.map((statistic) => ({
        topic: names.statistics,
        partition: 0,
        timestampMs: statistic.event_time,
        key: Buffer.from(statistic.monitor),
        value: codec.encode('Statistic', statistic),
        headers: this.#headers(statistic.statistic_id, nowMs),
      })),
    );
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
  const both = [...scores.values()].filter((row): row is { label: number; champion: number; challenger: number } => row.champion !== undefined && row.challenger !== undefined);
  return { labels: both.map((row) => row.label), champion: both.map((row) => row.champion), challenger: both.map((row) => row.challenger) };
}
