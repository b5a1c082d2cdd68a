// What happens to a record that cannot be decoded, processed or produced.
//
//   stage    fails because                            dead-letter                        stop
//   decode   the bytes are no value                   set aside whole, reading goes on   the instance gives up before the record
//   process  a step threw                             set aside whole, its effects are   the instance gives up before the record
//                                                     undone, processing goes on
//   produce  an output or a row of the state is       the input is set aside whole, its  the instance gives up before the input
//            larger than the log takes                effects are undone
//
// Nothing is lost either way: a record that is set aside is in the dead letters in the same transaction that passes over it, and
// `millrace dead-letters retry` puts it back; an instance that gave up reads the record again when it is started anew. A log that
// does not answer is no failure of a record: appending is tried again for two minutes, then the instance gives up.
//
// A step is tried again only where that may go better: a record that is at fault itself (`Failure.isHopeless`) is not waited for. One
// that comes too late is always set aside, for it says nothing of those behind it, and would stop each start anew.
import { Failure } from '../schemas/failure.ts';
import { Fields } from '../schemas/reading.ts';
import { type LogRecord } from './log.ts';
import { type DeadLettered } from './task-commit.ts';

export type FailureStage = DeadLettered['stage'];

export interface FailurePolicies {
  readonly decode: 'dead-letter' | 'stop';
  readonly process: 'dead-letter' | 'stop';
  readonly produce: 'dead-letter' | 'stop';
  /**
   * how often a step that threw what may go better is tried again before its policy applies; the wait doubles from `retryBackoffMs` on,
   * up to a minute. Meanwhile its task stands still, and commits nothing.
   */
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

const RETRIES_MAX = 1000;
const WAIT_MS_MAX = 60_000;

/**
 * What is given, the rest as `otherwise` has it.
 * @throws Failure `invalid_definition`, naming the field
 */
export function readPolicies(path: string, given: unknown, otherwise = DEFAULT_POLICIES): FailurePolicies {
  const fields = new Fields(path, given);
  const policyOf = (stage: FailureStage): FailurePolicies[FailureStage] =>
    fields.choice(stage, ['dead-letter', 'stop'], otherwise[stage]);
  const policies = {
    decode: policyOf('decode'),
    process: policyOf('process'),
    produce: policyOf('produce'),
    retries: fields.wholeNumber('retries', { min: 0, max: RETRIES_MAX }, otherwise.retries),
    retryBackoffMs: fields.number('retryBackoffMs', { min: 1, max: WAIT_MS_MAX }, otherwise.retryBackoffMs),
  };
  fields.end();
  return policies;
}

/** How long to wait before the next attempt; null: there is to be none. @param attempts those that were made again so far */
export function retryWaitMs(policies: FailurePolicies, failure: Failure, attempts: number): number | null {
  if (failure.isHopeless || attempts >= policies.retries) return null;
  return Math.min(WAIT_MS_MAX, policies.retryBackoffMs * 2 ** attempts);
}

/** Records that a task has set aside since its last commit. */
export class SetAside {
  readonly #policies: FailurePolicies;
  #letters: DeadLettered[] = [];

  constructor(policies: FailurePolicies) {
    this.#policies = policies;
  }

  /** @throws Failure, with the record's place, where the policy says stop */
  add(record: LogRecord, failure: Failure, stage: FailureStage): void {
    if (this.#policies[stage] === 'stop' && failure.code !== 'too_late')
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

/**
 * What a timer or a punctuation threw, which have no record that could be set aside: the instance ends, and its user reads this.
 * @param what it was, with its step
 * @param failure as which `thrown` counts
 */
export function failureOfTimer(what: string, failure: Failure, thrown: unknown): Failure {
  const own = failure === thrown && failure.fix !== '' ? `${failure.fix} ` : '';
  return new Failure(failure.code, `${what} failed: ${failure.message}`, {
    field: failure.field,
    fix: `${own}There is no record to set aside: mend the step, and start the instance again. Nothing of it was committed; it comes to this again.`,
    cause: thrown,
  });
}

/**
 * Whatever a step threw, as a failure.
 * @param what threw it
 */
export function asFailure(error: unknown, what: string): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Failure('internal', `${what} threw: ${message}`, {
    field: what,
    fix: 'Mend the step, then put the record back (`millrace dead-letters retry`).',
    cause: error,
  });
}
