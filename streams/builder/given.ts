// What the functions of a topology give back, looked at before it goes on: its author is told what is wrong by the name of the step.
import { Failure } from '../../schemas/failure.ts';

/** What functions may give back whose result nobody uses: an async one has done nothing yet when it gives back its promise. */
export type Ignored = void | undefined | null | boolean | number | string;

/** A value, but no promise of one. */
export type Ready<T> = T extends PromiseLike<unknown> ? never : T;

/** @throws Failure `invalid_definition` for a promise */
export function requireNoPromise(what: string, given: unknown): void {
  if (typeof given !== 'object' || given === null || !('then' in given) || typeof given.then !== 'function') return;
  // it may be refused later, which nobody waits for
  (given as PromiseLike<unknown>).then(undefined, () => undefined);
  throw new Failure('invalid_definition', `${what} gave a promise, and steps are synchronous.`, {
    field: what,
    fix: 'Take `async` away, and bring what it waits for as a topic or a table.',
  });
}

/** @throws Failure `invalid_field` for no value, `invalid_definition` for a promise */
export function requireValue(what: string, given: unknown): void {
  if (given === undefined)
    throw new Failure('invalid_field', `${what} gave no value (undefined).`, {
      field: what,
      fix: 'Give a value, and leave records out with filter or flatMap.',
    });
  requireNoPromise(what, given);
}

/** @throws Failure `invalid_field` for what is no text, `invalid_definition` for a promise */
export function requireKey(what: string, given: unknown): void {
  if (typeof given === 'string') return;
  requireNoPromise(what, given);
  const told = typeof given === 'object' && given !== null ? 'of an object' : String(given);
  throw new Failure('invalid_field', `${what} gave the key ${told}, which is no text.`, {
    field: what,
    fix: 'Keys are text: give `String(key)`, and leave records without one out with filter.',
  });
}

/** @throws Failure `invalid_field` for what is no list, `invalid_definition` for a promise */
export function requireList(what: string, given: unknown): void {
  requireNoPromise(what, given);
  if (typeof given === 'object' && given !== null && Symbol.iterator in given) return;
  throw new Failure('invalid_field', `${what} gave ${typeof given}, which is no list.`, {
    field: what,
    fix: 'Give an array, empty for nothing.',
  });
}

/** @throws Failure `invalid_definition` where a step uses what it was called with after it has come back */
export function requireOpen(what: string, isOver: boolean): void {
  if (!isOver) return;
  throw new Failure('invalid_definition', `${what} emitted, or set its state or timer, after it had come back.`, {
    field: what,
    fix: 'Do it before the step ends, not from a callback or behind `await`: steps are synchronous.',
  });
}
