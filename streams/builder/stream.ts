// A stream: each record is an event of its own.
import { Failure } from '../../schemas/failure.ts';
import { invalid } from '../../schemas/reading.ts';
import { type Header } from '../log.ts';
import { type Declaration, type Place, sideOf } from './declaration.ts';
import { type Features } from './features.ts';
import { type Format } from './format.ts';
import { type Ignored, type Ready, requireKey, requireList, requireNoPromise, requireValue } from './given.ts';
import { type KeyedContext, type KeyedNode, type MapNode, type Punctuation, type PunctuationContext } from './graph.ts';
import { hang } from './join-node.ts';
import {
  type AsOfOptions,
  type Formats,
  type IntervalOptions,
  type LabelOptions,
  asOfNode,
  intervalNode,
  labelNode,
} from './joins.ts';
import { optionsOf, requireFormat, requireFunction } from './options.ts';
import { type OutputOptions } from './passed-headers.ts';
import { Table } from './table.ts';
import { type WindowResult, type WindowedDeclaration, windowStep } from './windowed.ts';

export interface Step<T, S, O> {
  readonly state: Format<S>;
  /** the state as who reads it from outside is told, to be JSON; absent: as it is */
  show?(state: S): unknown;
  /** Synchronous: what it does after it has come back is refused. */
  each(value: T, context: KeyedContext<S, O>): Ignored;
  /** when the key's timer is due */
  timer?(context: KeyedContext<S, O>): Ignored;
  readonly punctuate?: {
    /** e.g. `1m`: at each multiple of it */
    readonly every: string;
    /**
     * `event time`: it is part of the state, and the same in every run; as long as the step keeps anything, or an event has come.
     * `wall clock`: while the instance runs, once however long it was due; what it does depends on when it runs.
     */
    readonly by: 'event time' | 'wall clock';
    run(context: PunctuationContext<S, O>): Ignored;
  };
}

export interface KeyByOptions<T> {
  /**
   * Names the internal topic, and the state of the steps and joins behind it: both stay theirs whatever is declared before. Small
   * letters, digits, - and _; absent: by their place.
   */
  readonly name?: string;
  /** how values stand in the internal topic; needed once they were mapped */
  readonly format?: Format<T>;
}

/** What is made of a value, its key, and the headers of the record that it comes from (as `KeyedContext.headers`). */
type FromRecord<T, O> = (value: T, key: string, headers: readonly Header[]) => O;

export class Stream<T> {
  readonly #declaration: Declaration;
  /** for joins */
  readonly place: Place<T>;

  constructor(declaration: Declaration, place: Place<T>) {
    this.#declaration = declaration;
    this.place = place;
  }

  #add(label: MapNode['label'], apply: MapNode['apply']): MapNode {
    const node: MapNode = { kind: 'map', label, apply, children: [] };
    this.place.parent.children.push(node);
    return node;
  }

  /** @param format how the changed values are kept; needed where they are joined or moved by key */
  map<U>(change: FromRecord<T, Ready<U>>, format: Format<U> | null = null): Stream<U> {
    const parent = this.#add('map', (message, emit, headers) => {
      const value = change(message.value as T, message.key, headers);
      requireValue('map', value);
      emit({ ...message, value });
    });
    return new Stream<U>(this.#declaration, { ...this.place, parent, format });
  }

  /** A type guard narrows the values. */
  filter<U extends T>(keep: (value: T, key: string, headers: readonly Header[]) => value is U): Stream<U>;
  filter(keep: FromRecord<T, boolean>): Stream<T>;
  filter(keep: FromRecord<T, boolean>): Stream<T> {
    const parent = this.#add('filter', (message, emit, headers) => {
      const isKept = keep(message.value as T, message.key, headers);
      requireNoPromise('filter', isKept);
      if (isKept) emit(message);
    });
    return new Stream<T>(this.#declaration, { ...this.place, parent });
  }

  flatMap<U>(change: FromRecord<T, readonly U[]>, format: Format<U> | null = null): Stream<U> {
    const parent = this.#add('flatMap', (message, emit, headers) => {
      const values = change(message.value as T, message.key, headers);
      requireList('flatMap', values);
      for (const value of values) {
        requireValue('flatMap', value);
        emit({ ...message, value });
      }
    });
    return new Stream<U>(this.#declaration, { parent, format, isOnePerRecord: false });
  }

  /**
   * The same values by another key, through an internal topic: what belongs together then lies in one partition.
   * @param options name and format, or the format alone
   * @throws Failure `invalid_definition`, naming the field
   */
  keyBy(keyOf: FromRecord<T, string>, options: KeyByOptions<T> | Format<T> = {}): Stream<T> {
    const { name, format = this.place.format } = keyByOptions(options);
    if (format === null)
      throw new Failure('invalid_definition', 'keyBy needs a format for values that were mapped.', {
        field: 'format',
        fix: 'Pass it as the second argument, or as `{ name, format }`.',
      });
    const what = name === undefined ? 'keyBy' : `keyBy ${name}`;
    const node = this.#add('keyBy', (message, emit, headers) => {
      const key = keyOf(message.value as T, message.key, headers);
      requireKey(what, key);
      emit({ ...message, key });
    });
    return new Stream(this.#declaration, this.#declaration.repartitioned(node, format, name));
  }

  /**
   * The records of all these streams as one, by event time as a task takes its inputs. Behind it values are kept in this stream's format.
   * Topics that meet need as many partitions, as in joins.
   * @throws Failure `invalid_definition` for what is no stream
   */
  merge(...others: readonly [Stream<T>, ...Stream<T>[]]): Stream<T> {
    requireStreams(others);
    const parent = this.#add('merge', (message, emit) => emit(message));
    for (const { place } of others) place.parent.children.push(parent);
    // records of two topics may have one offset
    return new Stream(this.#declaration, { ...this.place, parent, isOnePerRecord: false });
  }

  /** Each value replaces the row of its key. */
  table(): Table<T> {
    return new Table(this.#declaration, this.place);
  }

  /** A step with a state per key. @throws Failure `invalid_definition`, naming the field */
  process<S, O>(name: string, step: Step<T, S, O>): Stream<O> {
    this.#declaration.claim('step', name);
    checkStep(name, step);
    return this.#keyed(name, step);
  }

  #keyed<S, O>(name: string, step: Step<T, S, O>): Stream<O> {
    const untyped = step as Step<unknown, unknown, unknown>;
    const node: KeyedNode = {
      kind: 'keyed',
      name,
      state: untyped.state,
      each: (value, context) => untyped.each(value, context),
      timer: untyped.timer === undefined ? null : (context) => untyped.timer?.(context),
      punctuation: punctuationOf(name, untyped),
      show: (state) => untyped.show?.(state) ?? state,
      children: [],
    };
    this.place.parent.children.push(node);
    return this.#results<O>(node);
  }

  /**
   * Session, tumbling or hopping windows of each key, with any aggregates of the catalogue; one result per window, once it is closed.
   * @throws Failure `invalid_definition`, naming the field
   */
  windowed<const F extends Features<T>>(name: string, declaration: WindowedDeclaration<T, F>): Stream<WindowResult<F>> {
    this.#declaration.claim('windowed', name);
    return this.#keyed(name, windowStep(name, declaration));
  }

  /** Each record meets the table's row as of its event time. @throws Failure `invalid_definition` */
  asOf<R, O, K extends 'inner' | 'left'>(name: string, table: Table<R>, options: AsOfOptions<K, T, R, O>): Stream<O> {
    this.#declaration.claim('join', name);
    const right = sideOf(name, table.place);
    const node = asOfNode(name, right.format, options as AsOfOptions<'inner' | 'left', T, R, O>);
    // a record is joined when it comes: its place among others does not matter
    const left = { parent: this.place.parent, isOnePerRecord: true };
    return this.#results<O>(hang(node, name, { left, right }));
  }

  /** Records of the same key meet whose event times are near each other. @throws Failure `invalid_definition` */
  joinWithin<R, O, K extends 'inner' | 'left' | 'right' | 'outer'>(
    name: string,
    other: Stream<R>,
    options: IntervalOptions<K, T, R, O>,
  ): Stream<O> {
    const { left, right, formats } = this.#meet(name, other);
    const node = intervalNode(name, formats, options as IntervalOptions<'inner' | 'left' | 'right' | 'outer', T, R, O>);
    return this.#results<O>(hang(node, name, { left, right }));
  }

  /** Each record of this stream meets the newest label within the horizon, and every correction of it. @throws Failure `invalid_definition` */
  joinLabels<R, O, K extends 'inner' | 'left'>(
    name: string,
    labels: Stream<R>,
    options: LabelOptions<K, T, R, O>,
  ): Stream<O> {
    const { left, right, formats } = this.#meet(name, labels);
    const node = labelNode(name, formats, options as LabelOptions<'inner' | 'left', T, R, O>);
    return this.#results<O>(hang(node, name, { left, right }));
  }

  #meet<R>(name: string, other: Stream<R>) {
    this.#declaration.claim('join', name);
    const [left, right] = [sideOf(name, this.place), sideOf(name, other.place)];
    const formats: Formats = { left: left.format, right: right.format };
    return { left, right, formats };
  }

  #results<O>(parent: Place<O>['parent']): Stream<O> {
    return new Stream<O>(this.#declaration, { parent, format: null, isOnePerRecord: false });
  }

  to(topic: string, format: Format<T>, options: OutputOptions<T> = {}): void {
    this.#declaration.sink(this.place.parent, topic, format, false, options);
  }
}

function requireStreams(given: readonly unknown[]): void {
  if (given.length > 0 && given.every((one) => one instanceof Stream)) return;
  throw new Failure('invalid_definition', 'merge was given something else than streams.', {
    field: 'merge',
    fix: 'Give it the other streams: `payments.merge(refunds)`.',
  });
}

/** @throws Failure `invalid_definition` for an option that is not known */
function keyByOptions<T>(given: KeyByOptions<T> | Format<T>): KeyByOptions<T> {
  if ('encode' in given) return { format: given };
  const fields = optionsOf('keyBy:', given, ['name', 'format']);
  if (given.format !== undefined) requireFormat(fields, 'format');
  return given;
}

function checkStep<T, S, O>(name: string, step: Step<T, S, O>): void {
  const fields = optionsOf(`step ${name}:`, step, ['state', 'show', 'each', 'timer', 'punctuate']);
  requireFormat(fields, 'state');
  requireFunction(fields, 'each');
  for (const optional of ['show', 'timer'] as const)
    if (step[optional] !== undefined) requireFunction(fields, optional);
}

function punctuationOf(
  name: string,
  { punctuate }: Step<unknown, unknown, unknown>,
): Punctuation<unknown, unknown> | null {
  if (punctuate === undefined) return null;
  const fields = optionsOf(`step ${name}: punctuate`, punctuate, ['every', 'by', 'run']);
  requireFunction(fields, 'run');
  const everyMs = fields.durationMs('every');
  if (everyMs <= 0) throw invalid(fields.at('every'), 'is not longer than nothing.', 'Give a duration such as 1m.');
  return {
    everyMs,
    by: fields.choice('by', ['event time', 'wall clock']),
    run: (context) => punctuate.run(context),
  };
}
