// Statistics as lines over windows: performance by model version, drift by subject.
import { type Statistic } from '../../schemas/events.generated.ts';

/** [end of the window, value, 95 % interval], null where undefined */
export type PerformancePoint = readonly [
  windowEndMs: number,
  value: number | null,
  low: number | null,
  high: number | null,
];

export interface PerformanceLine {
  readonly measure: string;
  /** 0: the live stream, whichever version answered */
  readonly version: number;
  readonly points: readonly PerformancePoint[];
}

export interface DriftMeasure {
  readonly name: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly verdict: string;
  readonly reason: string;
}

export interface SubjectDrift {
  readonly subject: string;
  /** of the newest window */
  readonly latest: readonly DriftMeasure[];
  /** [end of the window, PSI, whether any statistic of that window says drift] */
  readonly psi: readonly (readonly [windowEndMs: number, value: number | null, drift: boolean])[];
}

/** What measures the answers; every other statistic measures drift. */
const PERFORMANCE = new Set(['auc', 'log_loss', 'brier', 'ece', 'label_rate', 'score_mean']);
const WINDOWS_MAX = 104;

/** Windows of one endpoint. The same statistic twice (a restarted monitor) is one: it is kept by its window. */
export class StatisticFold {
  readonly #performance = new Map<string, Map<number, Statistic>>();
  readonly #drift = new Map<string, Map<number, Map<string, Statistic>>>();
  #decidedMs: number | null = null;

  apply(statistic: Statistic): void {
    const { name, version, subject, window_end, event_time } = statistic;
    this.#decidedMs = Math.max(this.#decidedMs ?? event_time, event_time);
    if (PERFORMANCE.has(name)) {
      const windows = entryOf(this.#performance, `${name}/${version}`, () => new Map<number, Statistic>());
      windows.set(window_end, statistic);
      forgetOld(windows);
      return;
    }
    const windows = entryOf(this.#drift, subject, () => new Map<number, Map<string, Statistic>>());
    entryOf(windows, window_end, () => new Map<string, Statistic>()).set(name, statistic);
    forgetOld(windows);
  }

  /** Event time up to which windows are decided. */
  get decidedMs(): number | null {
    return this.#decidedMs;
  }

  get performance(): PerformanceLine[] {
    return [...this.#performance]
      .map(([id, windows]) => {
        const [measure = '', version = '0'] = id.split('/');
        const points = inOrder(windows).map(([end, { value, low, high }]): PerformancePoint => [
          end,
          shortened(value),
          shortened(low),
          shortened(high),
        ]);
        return { measure, version: Number(version), points };
      })
      .sort((a, b) => a.version - b.version);
  }

  /** The score first, then the label, then the features in the order in which they came. */
  get drift(): SubjectDrift[] {
    return [...this.#drift]
      .map(([subject, windows]) => {
        const ordered = inOrder(windows);
        const newest = ordered.at(-1)?.[1] ?? new Map<string, Statistic>();
        return {
          subject,
          latest: [...newest.values()].map(({ name, value, threshold, verdict, reason }) => ({
            name,
            value,
            threshold,
            verdict,
            reason,
          })),
          psi: ordered.map(
            ([end, statistics]) =>
              [
                end,
                shortened(statistics.get('psi')?.value ?? null),
                [...statistics.values()].some(({ verdict }) => verdict === 'drift'),
              ] as const,
          ),
        };
      })
      .sort((a, b) => rankOf(a.subject) - rankOf(b.subject));
  }
}

const rankOf = (subject: string): number => (subject === 'score' ? 0 : subject === 'label' ? 1 : 2);

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function inOrder<V>(windows: ReadonlyMap<number, V>): [number, V][] {
  return [...windows].sort(([a], [b]) => a - b);
}

function forgetOld<V>(windows: Map<number, V>): void {
  if (windows.size > WINDOWS_MAX) windows.delete(Math.min(...windows.keys()));
}

/** Five digits are more than a picture shows; they keep the snapshot small. */
function shortened(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(5));
}
