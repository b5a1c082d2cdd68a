// The running applications for the console: the processes of this machine are asked while somebody looks, and rest otherwise.
import { type RunningTopology } from '../serving/console/routes.ts';
import { type ApplicationState, type Sample, topologyState } from '../serving/console/topology.ts';
import { reportsOf } from './instances.ts';

/** A little below the tick of open pages: each tick asks once. */
const FRESH_MS = 900;
/** Rates are means over about this time: one second alone flickers. */
const RATE_OVER_MS = 6000;
/** A mean over more says nothing of now: nobody looked for a while. */
const FORGET_MS = 30_000;

export class TopologyWatch implements RunningTopology {
  readonly #dataDir: string;
  readonly #nowMs: () => number;
  #samples: readonly Sample[] = [];
  #asking: Promise<void> | null = null;
  applications: readonly ApplicationState[] = [];

  /** @param nowMs monotonic */
  constructor(dataDir: string, nowMs: () => number) {
    this.#dataDir = dataDir;
    this.#nowMs = nowMs;
  }

  refresh(): Promise<void> {
    const newest = this.#samples.at(-1);
    if (newest !== undefined && this.#nowMs() - newest.atMs < FRESH_MS) return Promise.resolve();
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const instances = await reportsOf(this.#dataDir);
    const now = { atMs: this.#nowMs(), instances };
    const known = this.#samples.filter(({ atMs }) => now.atMs - atMs <= FORGET_MS);
    // processes that are slow to answer leave long gaps: then the last answer will do
    const recent = known.filter(({ atMs }) => now.atMs - atMs <= RATE_OVER_MS);
    const before = recent.length === 0 ? known.slice(-1) : recent;
    this.#samples = [...before, now];
    this.applications = topologyState(now, before[0] ?? null);
  }
}
