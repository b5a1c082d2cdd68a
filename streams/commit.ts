// The commit of one application instance. Its numbered steps are the delivery guarantee:
//  1. processors finish what they left open, and everything up to that moment is drawn from the tasks;
//  2. outputs, dead letters and changelog records are appended in one transaction, and all acknowledged;
//  3. watermarks, which need the offsets of step 2, are appended in the same transaction;
//  4. input offsets join the transaction, fenced by the group's generation;
//  5. the transaction commits: from here on it happened;
//  6. local stores take the same changes. A crash before 5 leaves no trace; a crash between 5 and 6 is mended at the next
//     start by the tail of the changelog (store position < changelog end).
// At least once (TransactionSession without transactions) steps 2 to 4 are not undone by a crash before 5: what they wrote is
// written again. Changelog records wait there until the outputs are acknowledged: a state that knows of an event whose output was
// lost would take the same event, read again, for one that comes too late.
import { type Watermark } from '../schemas/events.generated.ts';
import {
  type Appended,
  type Membership,
  type NewRecord,
  type TopicPartition,
  type TransactionSession,
  partitionId,
} from './log.ts';
import { type OutputLane } from './processor.ts';
import { type ChangelogEnd } from './state/position.ts';
import { type DeadLettered, type TaskCommit } from './task-commit.ts';

export interface CommitParts {
  readonly session: TransactionSession;
  readonly membership: Membership;
  /** records appended since the start, by topic; counted up here */
  readonly writtenTo: Map<string, number>;
  deadLetterRecord(letter: DeadLettered): NewRecord;
  watermarkRecord(taskName: string, marks: readonly Watermark[]): NewRecord;
}

/** What a commit needs to know of a task besides what was drawn from it. */
export interface DrawnTask {
  readonly name: string;
  readonly outputLanes: readonly OutputLane[];
  readonly drawn: TaskCommit;
}

/**
 * By output partition: an offset behind the last record of every lane that is written here, by this instance or by whoever had the
 * task before.
 */
export type WrittenEnds = Map<string, number>;

/**
 * Steps 2 to 6.
 * @returns how many records were appended
 * @throws whatever the log throws; then nothing of this commit is visible and the tasks must be made anew
 */
export async function commitDrawn(tasks: readonly DrawnTask[], parts: CommitParts, ends: WrittenEnds): Promise<number> {
  if (tasks.length === 0) return 0;
  const { session } = parts;
  session.begin();
  const count = session.isTransactional
    ? await appendAll([...tasks.map(outputsOf), ...tasks.map(changesOf)], parts, ends)
    : (await appendDrawn(tasks, parts, ends)) + (await appendAll(tasks.map(changesOf), parts, ends));

  const marks = tasks.flatMap((task) => watermarkRecords(task, parts, ends));
  if (marks.length > 0) noteEnds(ends, parts.writtenTo, await session.append(marks));

  const offsets = tasks.flatMap(({ drawn }) => drawn.offsets);
  if (offsets.length > 0) await session.commitOffsets(parts.membership, offsets);
  await session.commit();

  for (const { drawn } of tasks) await drawn.committed(endOf(drawn.changelog, ends, session.isTransactional));
  return count;
}

export interface DrawnOutputs {
  readonly drawn: Pick<TaskCommit, 'records' | 'batches' | 'deadLetters'>;
}

type Parts = Pick<CommitParts, 'session' | 'writtenTo' | 'deadLetterRecord'>;

/** Step 2 without the changelog; also by itself, for outputs that need not wait for the offsets (at least once). */
export function appendDrawn(tasks: readonly DrawnOutputs[], parts: Parts, ends: WrittenEnds): Promise<number> {
  return appendAll(tasks.map(outputsOf), parts, ends);
}

const outputsOf = ({ drawn }: DrawnOutputs): DrawnOutputs['drawn'] => drawn;
const changesOf = ({ drawn }: DrawnTask): DrawnOutputs['drawn'] => ({ ...drawn.changes, deadLetters: [] });

async function appendAll(all: readonly DrawnOutputs['drawn'][], parts: Parts, ends: WrittenEnds): Promise<number> {
  const { session } = parts;
  const records = all.flatMap((drawn) => [
    ...drawn.records,
    ...drawn.deadLetters.map((letter) => parts.deadLetterRecord(letter)),
  ]);
  const batches = all.flatMap((drawn) => drawn.batches);
  // batches first, at once: what is drawn later, and sent ahead of its commit, must not overtake them
  if (batches.length > 0) noteEnds(ends, parts.writtenTo, await session.appendEncoded(batches));
  if (records.length > 0) noteEnds(ends, parts.writtenTo, await session.append(records));
  return records.length + batches.reduce((sum, batch) => sum + batch.count, 0);
}

function endOf(changelog: TopicPartition | null, ends: WrittenEnds, isTransactional: boolean): ChangelogEnd | null {
  const nextOffset = changelog === null ? undefined : ends.get(partitionId(changelog));
  if (nextOffset === undefined) return null;
  // the end of the transaction takes an offset: when it does, is the broker's
  return { nextOffset, logEnd: isTransactional ? nextOffset + 1 : nextOffset };
}

function noteEnds(ends: WrittenEnds, writtenTo: Map<string, number>, appended: readonly Appended[]): void {
  for (const part of appended) {
    ends.set(partitionId(part), part.firstOffset + part.count);
    writtenTo.set(part.topic, (writtenTo.get(part.topic) ?? 0) + part.count);
  }
}

function watermarkRecords({ name, outputLanes, drawn }: DrawnTask, parts: CommitParts, ends: WrittenEnds): NewRecord[] {
  const { watermark } = drawn;
  if (watermark === null) return [];
  const marks = outputLanes.map(({ topic, partition, lane }) => {
    const offset = ends.get(partitionId({ topic, partition })) ?? 0;
    return { topic, partition, lane, event_time: watermark.eventTimeMs, offset, live: watermark.live };
  });
  return [parts.watermarkRecord(name, marks)];
}
