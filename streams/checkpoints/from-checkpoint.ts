// A store that is not here, or of no use, from the newest checkpoint that fits. Whatever is wrong with checkpoints is told, and costs
// time only: the changelog alone is always enough.
import { Failure } from '../../schemas/failure.ts';
import { type Clock } from '../clock.ts';
import { type ChangelogBounds, type StateName } from '../local-store.ts';
import { oldestUsableMs } from '../state/forgotten-deletions.ts';
import { positionWrite } from '../state/position.ts';
import { type StateStores } from '../store.ts';
import { type CheckpointStorage } from './checkpoint-storage.ts';
import { Checkpoints } from './checkpoints.ts';

export interface FromCheckpointParts {
  readonly stores: StateStores;
  readonly storage: CheckpointStorage;
  readonly clock: Clock;
  notice(text: string): void;
}

/** @param state its store is closed, and empty where no checkpoint fits */
export async function fromCheckpoint(
  { stores, storage, clock, notice }: FromCheckpointParts,
  { name, changelog }: StateName,
  { start, end }: Pick<ChangelogBounds, 'start' | 'end'>,
  signal: AbortSignal,
): Promise<void> {
  const checkpoints = new Checkpoints(storage);
  try {
    for (const foreign of await checkpoints.dropBeyond(changelog, end))
      notice(`The checkpoint ${foreign} was of another log, whose changelog went beyond ${end}: it is deleted.`);
    const { restored, skipped } = await checkpoints.restore({
      ...{ stores, store: name, changelog: { ...changelog, start, end }, signal },
      asOfFromMs: oldestUsableMs(clock.nowMs()),
      position: ({ offset, asOfMs = 0 }) => [positionWrite({ nextOffset: offset, logEnd: offset, asOfMs })],
    });
    for (const { failure } of skipped) notice(failure.advice);
    if (restored === null) return;
    await restored.store.close();
    const { rows, header } = restored;
    notice(
      `The state store ${name} has ${rows} rows from a checkpoint at ${header.offset}; its changelog ends at ${end}.`,
    );
  } catch (error) {
    await stores.destroy(name);
    if (signal.aborted) return;
    const reason = error instanceof Failure ? error.advice : String(error);
    notice(
      `The state store ${name} is restored from its changelog alone, its checkpoints are of no use now: ${reason}`,
    );
  }
}
