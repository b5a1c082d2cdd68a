// The real clock.
import { setTimeout as sleepFor } from 'node:timers/promises';
import { type Clock } from '../streams/clock.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // an aborted sleep is a short one
      if (!(error instanceof Error && error.name === 'AbortError')) throw error;
    }
  },
};
