// Which lanes of a task are idle: live, and for long nothing has come of them, neither records nor marks. Found by looking at them
// once a round, so that no record costs a look at the clock.
import { type InputPartition } from './input-partition.ts';
import { type Lane } from './lane.ts';

interface Watched {
  readonly lane: Lane;
  arrivals: number;
  sinceMs: number;
}

interface WatchedPartition {
  readonly partition: InputPartition;
  readonly lanes: readonly Watched[];
  positionOffset: number;
}

/** What a look has found. */
export interface Idleness {
  /** some lane has become idle, or come back */
  readonly isChanged: boolean;
  /** all that say how far event time is are idle */
  readonly isAll: boolean;
}

export class IdleLanes {
  readonly #watched: readonly WatchedPartition[];

  constructor(partitions: Iterable<InputPartition>) {
    this.#watched = [...partitions].map((partition) => ({
      partition,
      lanes: partition.lanes
        .filter(({ isAwaited }) => isAwaited)
        .map((lane) => ({ lane, arrivals: -1, sinceMs: Number.NEGATIVE_INFINITY })),
      positionOffset: -1,
    }));
  }

  /**
   * The time of a lane begins with the first look at it.
   * @param nowMs by the monotonic clock
   * @param isHeld it begins anew, whether something has come or not
   */
  look(nowMs: number, timeoutMs: number, isHeld = false): Idleness {
    let isChanged = false;
    let idle = 0;
    let all = 0;
    for (const watched of this.#watched) {
      const isOnItsWay = comesOn(watched);
      for (const one of watched.lanes) {
        const { lane } = one;
        if (isHeld || isOnItsWay || lane.arrivals !== one.arrivals || lane.holdsNews) one.sinceMs = nowMs;
        one.arrivals = lane.arrivals;
        const isIdle = lane.live && nowMs - one.sinceMs >= timeoutMs;
        if (isIdle !== lane.isIdle) isChanged = true;
        lane.isIdle = isIdle;
        all += 1;
        if (isIdle) idle += 1;
      }
    }
    return { isChanged, isAll: all > 0 && idle === all };
  }
}

// While there is more to read, it may be of any of the lanes: no matter how long other lanes' records, and such as nobody needs, come
// before.
function comesOn(watched: WatchedPartition): boolean {
  const { partition } = watched;
  const hasMoved = partition.positionOffset !== watched.positionOffset;
  watched.positionOffset = partition.positionOffset;
  return partition.hasMore && (hasMoved || partition.queued > 0);
}
