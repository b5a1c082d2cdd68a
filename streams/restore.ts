// Brings a task's state up to the end of its changelog.
import { type LogAdmin, type LogReader, type TopicPartition } from './log.ts';
import { type TaskState } from './task-state.ts';

/** How long one poll of the changelog may wait. */
const POLL_MS = 200;

/** @returns how many changelog records were read */
export async function restoreState(
  state: TaskState<never>,
  changelog: TopicPartition,
  reader: LogReader,
  admin: LogAdmin,
): Promise<number> {
  let position = await state.load();
  // The end as the broker has it, not as a read_committed reader sees it: a transaction that was committed a moment ago may not
  // be visible yet, and its changes must not be missed.
  const [bounds] = await admin.offsets([changelog]);
  const end = bounds?.highWatermark ?? 0;
  let count = 0;
  if (position >= end) return 0;
  reader.assign(changelog, position);
  while (position < end) {
    for (const fetched of await reader.poll(POLL_MS)) {
      await state.restore(fetched.records, fetched.nextOffset);
      count += fetched.records.length;
      position = fetched.nextOffset;
    }
  }
  reader.unassign(changelog);
  return count;
}
