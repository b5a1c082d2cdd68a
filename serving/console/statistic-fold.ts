// Statistics as lines over windows: performance by model version, drift by subject.
import { type Statistic } from '../../schemas/events.generated.ts';

/** [end of the window, value, 95 % interval, rows that it was computed from], null where undefined */
export type PerformancePoint = readonly [
  windowEndMs: number,
  value: number | null,
  low: number | null,
  high: number | null,
  rows: number,
];

export interface PerformanceLine {
  readonly monitor: string;
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
  readonly monitor: string;
  readonly subject: string;
  /** of the newest window */
  readonly latest: readonly DriftMeasure[];
  /** [end of the window, PSI, whether any statistic of that window says drift] */
  readonly psi: readonly (readonly [windowEndMs: number, value: number | null, drift: boolean])[];
}

/** What measures the answers; every other statistic measures drift. */
const PERFORMANCE = new Set(['auc', 'log_loss', 'brier', 'ece', 'label_rate', 'score_mean']);
const WINDOWS_MAX = 104;

interface Windows<V> {
  readonly monitor: string;
  readonly byEnd: Map<number, V>;
}

/** Windows of one endpoint, for each of its monitors, whose windows may differ in size. The same statistic twice (a restarted monitor) is one: it is kept by its window. */
export class StatisticFold {
  readonly #performance = new Map<
    string,
    Windows<Statistic> & { readonly measure: string; readonly version: number }
  >();
  readonly #drift = new Map<string, Windows<Map<string, Statistic>> & { readonly subject: string }>();
  #decidedMs: number | null = null;

  apply(statistic: Statistic): void {
    const { monitor, name, version, subject, window_end, event_time } = statistic;
    this.#decidedMs = Math.max(this.#decidedMs ?? event_time, event_time);
    if (PERFORMANCE.has(name)) {
      const { byEnd } = entryOf(this.#performance, JSON.stringify([monitor, name, version]), () => ({
        monitor,
        measure: name,
        version,
        byEnd: new Map<number, Statistic>(),
      }));
      byEnd.set(window_end, statistic);
      forgetOld(byEnd);
      return;
    }
    const { byEnd } = entryOf(this.#drift, JSON.stringify([monitor, subject]), () => ({
      monitor,
      subject,
      byEnd: new Map<number, Map<string, Statistic>>(),
    }));
    entryOf(byEnd, window_end, () => new Map<string, Statistic>()).set(name, statistic);
    forgetOld(byEnd);
  }

  /** Event time up to which windows are decided. */
  get decidedMs(): number | null {
    return this.#decidedMs;
  }

  get performance(): PerformanceLine[] {
    return [...this.#performance.values()]
      .map(({ byEnd, ...line }) => ({
        ...line,
        points: inOrder(byEnd).map(([end, { value, low, high, rows }]): PerformancePoint => [
          end,
          shortened(value),
          shortened(low),
          shortened(high),
          rows,
        ]),
      }))
      .sort((a, b) => a.version - b.version);
  }

  /** The score first, then the label, then the features in the order in which they came. */
  get drift(): SubjectDrift[] {
    return [...this.#drift.values()]
      .map(({ monitor, subject, byEnd }) => {
        const ordered = inOrder(byEnd);
        const newest = ordered.at(-1)?.[1] ?? new Map<string, Statistic>();
        return {
          monitor,
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
