// What happens to a record that cannot be decoded, processed or produced.
//
//   stage    fails because                            dead-letter                        stop
//   decode   the bytes are no value                   set aside whole, reading goes on   the instance gives up before the record
//   process  a step threw                             set aside whole, its effects are   the instance gives up before the record
//                                                     undone, processing goes on
//   produce  an output is larger than the log takes   the input is set aside whole       the instance gives up before the input
//
// Nothing is lost either way: a record that is set aside is in the dead letters in the same transaction that passes over it, and
// `millrace dead-letters retry` puts it back; an instance that gave up reads the record again when it is started anew. A log that
// does not answer is no failure of a record: appending is tried again for two minutes, then the instance gives up.
import { Failure } from '../schemas/failure.ts';
import { type LogRecord } from './log.ts';
import { type DeadLettered } from './task-commit.ts';

export type FailureStage = DeadLettered['stage'];

export interface FailurePolicies {
  readonly decode: 'dead-letter' | 'stop';
  readonly process: 'dead-letter' | 'stop';
  readonly produce: 'dead-letter' | 'stop';
  /** how often a step that threw is tried again before its policy applies; the wait doubles from `retryBackoffMs` on */
  readonly retries: number;
  readonly retryBackoffMs: number;
}

export const DEFAULT_POLICIES: FailurePolicies = {
  decode: 'dead-letter',
  process: 'dead-letter',
  produce: 'dead-letter',
  retries: 0,
  retryBackoffMs: 100,
};

/** Records that a task has set aside since its last commit. */
export class SetAside {
  readonly #policies: FailurePolicies;
  #letters: DeadLettered[] = [];

  constructor(policies: FailurePolicies) {
    this.#policies = policies;
  }

  /** @throws Failure, with the record's place, where the policy says stop */
  add(record: LogRecord, failure: Failure, stage: FailureStage): void {
    if (this.#policies[stage] === 'stop')
      throw new Failure(
        failure.code,
        `${record.topic}/${record.partition} at offset ${record.offset} (${stage}): ${failure.message}`,
        { field: failure.field, fix: failure.fix, cause: failure },
      );
    this.#letters.push({ record, failure, stage });
  }

  get isEmpty(): boolean {
    return this.#letters.length === 0;
  }

  take(): DeadLettered[] {
    const letters = this.#letters;
    this.#letters = [];
    return letters;
  }
}

/** Whatever a step threw, as a failure. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Failure('internal', `The step threw: ${message}`, {
    fix: 'Mend the step, then put the record back (`millrace dead-letters retry`).',
    cause: error,
  });
}
