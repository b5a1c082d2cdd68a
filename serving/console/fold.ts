// What the console shows, as a pure fold of the log: the same events give the same page, whoever reads them and however often.
import { type Event } from '../../schemas/codec.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type DefinitionApplied } from '../../schemas/events.generated.ts';
import { RunFold, type RunState } from './run-fold.ts';
import { type PerformanceLine, StatisticFold, type SubjectDrift } from './statistic-fold.ts';
import { type TimelineEntry, timelineEntry } from './timeline.ts';

/** A day that explains a bend in the lines. */
export interface Mark {
  readonly kind: 'alert' | 'promotion' | 'rollback';
  /** event time; what takes effect at once has none of its own: then the wall clock of its record */
  readonly atMs: number;
  readonly label: string;
  readonly offset: number;
}

/** The last one on a challenger. */
export interface Verdict {
  /** pass | fail | wait | undecidable */
  readonly verdict: string;
  readonly reason: string;
  readonly offset: number;
}

export interface EndpointState {
  readonly name: string;
  readonly model: string;
  /** 0: none yet */
  readonly champion: number;
  /** event time; null: at once, or no champion yet */
  readonly championFromMs: number | null;
  /** 0: none */
  readonly challenger: number;
  /** shadow | canary | full | refused | rolled_back | '' */
  readonly stage: string;
  /** of live requests that the challenger answers */
  readonly share: number;
  readonly verdict: Verdict | null;
  /** event time up to which windows are decided */
  readonly decidedMs: number | null;
  /** those that watch it, by name; without one there will be no statistics */
  readonly monitors: readonly string[];
  readonly performance: readonly PerformanceLine[];
  readonly drift: readonly SubjectDrift[];
  readonly marks: readonly Mark[];
}

/** Counts of what the lifecycle asked for and what was answered: the loop's slow half. */
export interface LoopCounts {
  readonly alerts: number;
  readonly retrainings: number;
  readonly trainings: number;
  readonly trainingsEnded: number;
  readonly versions: number;
  readonly versionsJudged: number;
  readonly routings: number;
}

export interface ConsoleState {
  readonly endpoints: readonly EndpointState[];
  readonly runs: readonly RunState[];
  /** newest first */
  readonly timeline: readonly TimelineEntry[];
}

interface Place {
  model: string;
  champion: number;
  championFromMs: number | null;
  challenger: number;
  stage: string;
  share: number;
  verdict: Verdict | null;
  readonly monitors: Set<string>;
  readonly statistics: StatisticFold;
  readonly marks: Map<number, Mark>;
}

const TIMELINE_MAX = 300;
const MARKS_MAX = 100;
const OPEN_STAGES = ['shadow', 'canary'];

export class ConsoleView {
  readonly #places = new Map<string, Place>();
  readonly #runs = new RunFold();
  readonly #timeline = new Map<number, TimelineEntry>();
  /** ids by what happened to them: an event read twice counts once */
  readonly #seen = new Map<string, Set<string>>();
  #revision = 0;

  /** Grows with every event that may change the page. */
  get revision(): number {
    return this.#revision;
  }

  apply(event: Event, record: LogRecord): void {
    const entry = timelineEntry(event, record);
    if (entry !== null) {
      this.#timeline.set(entry.offset, entry);
      if (this.#timeline.size > TIMELINE_MAX) this.#timeline.delete(Math.min(...this.#timeline.keys()));
    }
    const changes = [
      entry !== null,
      this.#runs.apply(event),
      this.#applyToPlace(event, record),
      this.#mark(event, record),
      this.#count(event, record),
    ];
    if (changes.includes(true)) this.#revision += 1;
  }

  #applyToPlace(event: Event, { offset }: LogRecord): boolean {
    switch (event.name) {
      case 'DefinitionApplied':
        return this.#define(event.value);
      case 'Statistic':
        this.#place(event.value.endpoint).statistics.apply(event.value);
        return true;
      case 'Promoted':
        Object.assign(this.#place(event.value.endpoint), {
          model: event.value.model,
          champion: event.value.version,
          championFromMs: event.value.effective_from,
        });
        return true;
      case 'RolledBack':
        Object.assign(this.#place(event.value.endpoint), {
          model: event.value.model,
          champion: event.value.to_version,
          championFromMs: event.value.effective_from,
        });
        return true;
      case 'RolloutStarted':
        Object.assign(this.#place(event.value.endpoint), {
          challenger: event.value.challenger,
          stage: 'shadow',
          share: 0,
          verdict: null,
        });
        return true;
      case 'RolloutAdvanced': {
        const { endpoint, stage, share, challenger } = event.value;
        const open = OPEN_STAGES.includes(stage);
        Object.assign(this.#place(endpoint), { stage, share: open ? share : 0, challenger: open ? challenger : 0 });
        return true;
      }
      case 'VerdictReached': {
        const { endpoint, verdict, reason } = event.value;
        this.#place(endpoint).verdict = { verdict, reason, offset };
        return true;
      }
      default:
        return false;
    }
  }

  #define({ kind, name, spec }: DefinitionApplied): boolean {
    if (kind === 'endpoint') this.#place(name).model = (JSON.parse(spec) as { model?: string }).model ?? '';
    if (kind === 'monitor') {
      const watched = (JSON.parse(spec) as { endpoint?: string }).endpoint ?? '';
      for (const [endpoint, { monitors }] of this.#places) if (endpoint !== watched) monitors.delete(name);
      if (watched !== '') this.#place(watched).monitors.add(name);
    }
    return kind === 'endpoint' || kind === 'monitor';
  }

  #mark(event: Event, { offset, timestampMs }: LogRecord): boolean {
    const put = (endpoint: string, kind: Mark['kind'], eventTimeMs: number | null, label: string): boolean => {
      const { marks } = this.#place(endpoint);
      marks.set(offset, { kind, atMs: eventTimeMs ?? timestampMs, label, offset });
      if (marks.size > MARKS_MAX) marks.delete(Math.min(...marks.keys()));
      return true;
    };
    switch (event.name) {
      case 'AlertRaised':
        return put(event.value.endpoint, 'alert', event.value.event_time, `Alert: ${event.value.name}`);
      case 'Promoted':
        return put(
          event.value.endpoint,
          'promotion',
          event.value.effective_from,
          `Version ${event.value.version} promoted`,
        );
      case 'RolledBack':
        return put(
          event.value.endpoint,
          'rollback',
          event.value.effective_from,
          `Back to version ${event.value.to_version}`,
        );
      default:
        return false;
    }
  }

  #place(name: string): Place {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const made: Place = {
      model: '',
      champion: 0,
      championFromMs: null,
      challenger: 0,
      stage: '',
      share: 0,
      verdict: null,
      monitors: new Set(),
      statistics: new StatisticFold(),
      marks: new Map(),
    };
    this.#places.set(name, made);
    return made;
  }

  #count(event: Event, { offset }: LogRecord): boolean {
    switch (event.name) {
      case 'AlertRaised':
        return this.#note('alerts', event.value.alert_id);
      case 'RetrainingRequested':
        return this.#note('retrainings', event.value.retraining_id);
      case 'TrainingRequested':
        return this.#note('trainings', event.value.training_id);
      case 'TrainingCompleted':
      case 'TrainingFailed':
        return this.#note('trainingsEnded', event.value.training_id);
      case 'ModelVersionCreated':
        return this.#note('versions', `${event.value.model}/${event.value.version}`);
      case 'VersionApproved':
      case 'VersionRejected':
        return this.#note('versionsJudged', `${event.value.model}/${event.value.version}`);
      case 'RoutingChanged':
        return this.#note('routings', String(offset));
      default:
        return false;
    }
  }

  #note(what: keyof LoopCounts, id: string): boolean {
    const ids = this.#seen.get(what) ?? new Set<string>();
    this.#seen.set(what, ids);
    ids.add(id);
    return true;
  }

  get counts(): LoopCounts {
    const count = (what: keyof LoopCounts): number => this.#seen.get(what)?.size ?? 0;
    return {
      alerts: count('alerts'),
      retrainings: count('retrainings'),
      trainings: count('trainings'),
      trainingsEnded: count('trainingsEnded'),
      versions: count('versions'),
      versionsJudged: count('versionsJudged'),
      routings: count('routings'),
    };
  }

  /** Event time up to which the windows of an endpoint are decided; null where it has none yet. */
  decidedMs(endpoint: string): number | null {
    return this.#places.get(endpoint)?.statistics.decidedMs ?? null;
  }

  state(): ConsoleState {
    return {
      // by name: which topic is read first must not decide which endpoint comes first
      endpoints: [...this.#places]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { statistics, marks, monitors, ...place }]) => ({
          name,
          ...place,
          monitors: [...monitors],
          decidedMs: statistics.decidedMs,
          performance: statistics.performance,
          drift: statistics.drift,
          marks: [...marks.values()].sort((a, b) => a.offset - b.offset),
        })),
      runs: this.#runs.all,
      timeline: [...this.#timeline.values()].sort((a, b) => b.offset - a.offset),
    };
  }
}
