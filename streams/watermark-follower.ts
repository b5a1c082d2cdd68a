// Follows millrace.watermarks: keeps the newest mark of each lane and hands marks on to the lanes of this process.
import { type Watermark } from '../schemas/events.generated.ts';
import { type Lane, type Mark } from './lane.ts';

export function laneId(topic: string, partition: number, lane: number): string {
  return `${topic}/${partition}/${lane}`;
}

export class WatermarkFollower {
  readonly #newest = new Map<string, Mark>();
  readonly #lanes = new Map<string, Set<Lane>>();

  apply(marks: readonly Watermark[]): void {
    for (const { topic, partition, lane, event_time, offset, live } of marks) {
      const id = laneId(topic, partition, lane);
      const mark: Mark = { eventTimeMs: event_time, offset, live };
      this.#newest.set(id, mark);
      for (const follower of this.#lanes.get(id) ?? []) follower.mark(mark);
    }
  }

  follow(lane: Lane): void {
    const id = laneId(lane.topic, lane.partition, lane.lane);
    const followers = this.#lanes.get(id) ?? new Set<Lane>();
    followers.add(lane);
    this.#lanes.set(id, followers);
    const mark = this.#newest.get(id);
    if (mark !== undefined) lane.mark(mark);
  }

  unfollow(lane: Lane): void {
    this.#lanes.get(laneId(lane.topic, lane.partition, lane.lane))?.delete(lane);
  }
}
