// Whether scoring has come to the end of a replay, by the marks of the predictions topics.
import { type Watermark } from '../../schemas/events.generated.ts';

/** The live path's lane of a partition of the predictions. */
const LIVE_PATH = 0;

export class ScoredLanes {
  readonly #isLive = new Map<string, Map<number, boolean>>();

  /** The newest mark of a lane counts: a replay that begins later makes it wait again. */
  apply(marks: readonly Watermark[]): void {
    for (const { topic, partition, lane, live } of marks) {
      if (lane !== LIVE_PATH) continue;
      const lanes = this.#isLive.get(topic) ?? new Map<number, boolean>();
      this.#isLive.set(topic, lanes);
      lanes.set(partition, live);
    }
  }

  /** Whether each partition's scorer has told that it takes requests as they come: nothing of a replay is still to be scored. */
  areLive(topic: string, partitions: number): boolean {
    const lanes = this.#isLive.get(topic);
    return lanes !== undefined && lanes.size >= partitions && [...lanes.values()].every((live) => live);
  }
}
