// What is told of records that were set aside: the first at once, the others as a count now and then. Whoever runs an application should
// not have to look into the dead letters to learn that there are any.
import { type FailureCode } from '../schemas/failure.ts';
import { type Clock } from './clock.ts';
import { type DeadLettered } from './task-commit.ts';

/** Between two notices: one that fails at each record must not fill a log. */
const NOTICE_EVERY_MS = 10_000;
/** Kinds of failures that one notice names. */
const KINDS_MAX = 5;
/** Characters of a reason: it may have a stack. */
const REASON_MAX = 200;
const HOW_TO_GO_ON =
  'See them with `millrace dead-letters`; once the cause is mended, `millrace dead-letters retry` puts them back.';

interface Kind {
  count: number;
  readonly last: DeadLettered;
}

export interface SetAsideParts {
  /** of the application */
  readonly id: string;
  readonly clock: Clock;
  notice(text: string): void;
}

export class SetAsideNotices {
  readonly #parts: SetAsideParts;
  readonly #byCode = new Map<FailureCode, number>();
  #kinds = new Map<string, Kind>();
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(parts: SetAsideParts) {
    this.#parts = parts;
  }

  /** records that were set aside since the start */
  get byCode(): ReadonlyMap<FailureCode, number> {
    return this.#byCode;
  }

  /** These letters were written. */
  took(letters: readonly DeadLettered[]): void {
    for (const letter of letters) {
      const { failure, record, stage } = letter;
      this.#byCode.set(failure.code, (this.#byCode.get(failure.code) ?? 0) + 1);
      const kind = `${record.topic} ${stage} ${failure.code}`;
      this.#kinds.set(kind, { count: (this.#kinds.get(kind)?.count ?? 0) + 1, last: letter });
    }
    this.tellWhenDue();
  }

  /** Call it now and then: what came after the last notice is told of when its time has come. */
  tellWhenDue(): void {
    if (this.#kinds.size === 0) return;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#toldMs < NOTICE_EVERY_MS) return;
    this.#toldMs = nowMs;
    this.tell();
  }

  /** What was not told yet, at the end. */
  tell(): void {
    const kinds = [...this.#kinds.values()].sort((one, other) => other.count - one.count);
    if (kinds.length === 0) return;
    this.#kinds = new Map();
    const count = kinds.reduce((sum, kind) => sum + kind.count, 0);
    const others = kinds.length > KINDS_MAX ? `; and ${kinds.length - KINDS_MAX} kinds more` : '';
    const told = kinds.slice(0, KINDS_MAX).map(toldOf).join('; ');
    const were = count === 1 ? '1 record was' : `${count} records were`;
    this.#parts.notice(`${this.#parts.id}: ${were} set aside as dead letters: ${told}${others}. ${HOW_TO_GO_ON}`);
  }
}

function toldOf({ count, last: { record, failure, stage } }: Kind): string {
  const [line = ''] = failure.message.split('\n');
  const reason = line.length > REASON_MAX ? `${line.slice(0, REASON_MAX)}…` : line;
  const at = `${record.topic}/${record.partition} at offset ${record.offset}`;
  return `${count} of ${record.topic} (${stage}, ${failure.code}), the last ${at}: ${reason.replace(/\.$/, '')}`;
}
