// What a merged task finds in its local store when it starts: its state, and the timers of its keys.
import { CalledOff } from './local-states.ts';
import { type TopicPartition } from './log.ts';
import { type SubTopology } from './processor.ts';
import { type StateStore } from './store.ts';
import { TaskState } from './task-state.ts';
import { Timers } from './timers.ts';

export interface LoadedState {
  readonly state: TaskState<never>;
  readonly timers: Timers;
}

/**
 * Reads the whole store once, for the timers, which stay in memory; of the values as many as the bound allows.
 * @param cacheBytesMax for topologies whose state may be in memory in part
 * @throws CalledOff once `signal` is aborted
 */
export async function loadState(
  { onDemand }: Pick<SubTopology<never>, 'onDemand'>,
  store: StateStore,
  serde: ConstructorParameters<typeof TaskState<never>>[1],
  changelog: TopicPartition,
  cacheBytesMax: number,
  signal?: AbortSignal,
): Promise<LoadedState> {
  const timers = new Timers();
  const heed = (): void => {
    if (signal?.aborted === true) throw new CalledOff();
  };
  if (onDemand !== undefined) {
    const isPinned = (key: string): boolean => onDemand.isPinned(key);
    const state = new TaskState(store, serde, changelog, { cacheBytesMax, isPinned });
    await state.load((key, row) => {
      heed();
      timers.set(key, onDemand.timerOf(row));
    });
    return { state, timers };
  }
  const state = new TaskState(store, serde, changelog);
  await state.load(heed);
  return { state, timers };
}
