// The commit of one application instance. Its numbered steps are the delivery guarantee:
//  1. processors finish what they left open;
//  2. outputs, dead letters and changelog records are appended in one transaction, and all acknowledged;
//  3. watermarks, which need the offsets of step 2, are appended in the same transaction;
//  4. input offsets join the transaction, fenced by the group's generation;
//  5. the transaction commits: from here on it happened;
//  6. local stores take the same changes. A crash before 5 leaves no trace; a crash between 5 and 6 is mended at the next
//     start by the tail of the changelog (store position < changelog end).
import { type Watermark } from '../schemas/events.generated.ts';
import { type Appended, type Membership, type NewRecord, type TransactionSession, partitionId } from './log.ts';
import { type DeadLettered, type Task } from './task.ts';
import { type WatermarkFollower } from './watermark-follower.ts';

export interface CommitParts {
  readonly session: TransactionSession;
  readonly membership: Membership;
  readonly follower: WatermarkFollower;
  /** records appended since the start, by topic; counted up here */
  readonly writtenTo: Map<string, number>;
  deadLetterRecord(letter: DeadLettered): NewRecord;
  watermarkRecord(taskName: string, marks: readonly Watermark[]): NewRecord;
}

/** End offset after the last own record, by output partition. */
export type WrittenEnds = Map<string, number>;

/** @throws whatever the log throws; then nothing of this commit is visible and the tasks must be made anew */
export async function commitTasks(tasks: readonly Task[], parts: CommitParts, ends: WrittenEnds): Promise<number> {
  const dirty = tasks.filter((task) => task.dirty);
  if (dirty.length === 0) return 0;
  for (const task of dirty) await task.flush();

  const records: NewRecord[] = [];
  for (const task of dirty) {
    const { outputs, deadLetters } = task.drain();
    for (const output of outputs) records.push(output);
    for (const letter of deadLetters) records.push(parts.deadLetterRecord(letter));
    if (task.state !== null) for (const change of task.state.drain()) records.push(change);
  }
  const { session } = parts;
  session.begin();
  if (records.length > 0) noteEnds(ends, parts.writtenTo, await session.append(records));

  const marks = dirty.flatMap((task) => watermarkRecords(task, parts, ends));
  if (marks.length > 0) noteEnds(ends, parts.writtenTo, await session.append(marks));

  const offsets = dirty.flatMap((task) => task.offsets());
  if (offsets.length > 0) await session.commitOffsets(parts.membership, offsets);
  await session.commit();

  for (const task of dirty) {
    const changelogEnd = task.state === null ? undefined : ends.get(task.state.changelogId);
    await task.state?.written(changelogEnd ?? null);
    await task.committed();
  }
  return records.length;
}

function noteEnds(ends: WrittenEnds, writtenTo: Map<string, number>, appended: readonly Appended[]): void {
  for (const part of appended) {
    ends.set(partitionId(part), part.firstOffset + part.count);
    writtenTo.set(part.topic, (writtenTo.get(part.topic) ?? 0) + part.count);
  }
}

function watermarkRecords(task: Task, parts: CommitParts, ends: WrittenEnds): NewRecord[] {
  const watermark = task.takeWatermark();
  if (watermark === null) return [];
  const marks = task.outputLanes.map(({ topic, partition, lane }) => {
    // what this instance has not written since it started was written, and marked, before
    const earlier = parts.follower.newest(topic, partition, lane)?.offset ?? 0;
    const offset = Math.max(ends.get(partitionId({ topic, partition })) ?? 0, earlier);
    return { topic, partition, lane, event_time: watermark.eventTimeMs, offset, live: watermark.live };
  });
  return [parts.watermarkRecord(task.name, marks)];
}
