// What one commit takes of a task, drawn at one moment: the task may go on while it is written.
import { type CommittedOffset, type EncodedBatch, type LogRecord, type NewRecord, type TopicPartition } from './log.ts';
import { type ChangelogEnd } from './state/position.ts';
import { type Failure } from '../schemas/failure.ts';

export interface DeadLettered {
  readonly record: LogRecord;
  readonly failure: Failure;
  readonly stage: 'decode' | 'process' | 'produce';
}

export interface TaskWatermark {
  readonly eventTimeMs: number;
  readonly live: boolean;
}

export interface TaskCommit {
  /** outputs as objects */
  readonly records: readonly NewRecord[];
  /** outputs, encoded ahead */
  readonly batches: readonly EncodedBatch[];
  /** for the changelog */
  readonly changes: { readonly records: readonly NewRecord[]; readonly batches: readonly EncodedBatch[] };
  readonly deadLetters: readonly DeadLettered[];
  readonly offsets: readonly CommittedOffset[];
  /** null where it was told already */
  readonly watermark: TaskWatermark | null;
  /** whose end the local store wants to know; null: it has no changelog */
  readonly changelog: TopicPartition | null;
  /** After the commit: the local stores follow. @param changelogEnd end of what was ever written to the changelog here; null: nothing was */
  committed(changelogEnd: ChangelogEnd | null): Promise<void>;
}
