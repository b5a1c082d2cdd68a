// A table: of each key the newest row counts, a record without a value deletes it.
import { invalid } from '../../schemas/reading.ts';
import { type Declaration, type Place, sideOf } from './declaration.ts';
import { type ForeignKeyOptions, foreignKeyJoin } from './foreign-key.ts';
import { type Format } from './format.ts';
import { type Ready, requireNoPromise, requireValue } from './given.ts';
import { type MapNode, type Message } from './graph.ts';
import { type FeatureValues, type GroupFeatures } from './features.ts';
import { type GroupDeclaration, type GroupOf, groupedTable } from './groups.ts';
import { type JoinOptions, hang } from './join-node.ts';
import { tableNode } from './joins.ts';
import { type OutputOptions } from './passed-headers.ts';

export class Table<T> {
  readonly #declaration: Declaration;
  /** for joins */
  readonly place: Place<T>;

  constructor(declaration: Declaration, place: Place<T>) {
    this.#declaration = declaration;
    this.place = place;
  }

  #add(label: MapNode['label'], change: (row: T, key: string) => unknown): MapNode {
    const apply = (message: Message, emit: (message: Message) => void): void => {
      const value = message.value === null ? null : change(message.value as T, message.key);
      requireValue(label, value);
      emit({ ...message, value });
    };
    const node: MapNode = { kind: 'map', label, apply, children: [] };
    this.place.parent.children.push(node);
    return node;
  }

  /** @param format how the changed rows are kept; needed where they are joined */
  map<U>(change: (row: T, key: string) => Ready<U>, format: Format<U> | null = null): Table<U> {
    return new Table(this.#declaration, { ...this.place, parent: this.#add('map', change), format });
  }

  /** A row that is not kept is deleted; a type guard narrows the rows. */
  filter<U extends T>(keep: (row: T, key: string) => row is U): Table<U>;
  filter(keep: (row: T, key: string) => boolean): Table<T>;
  filter(keep: (row: T, key: string) => boolean): Table<T> {
    const parent = this.#add('filter', (row, key) => {
      const isKept = keep(row, key);
      requireNoPromise('filter', isKept);
      return isKept ? row : null;
    });
    return new Table(this.#declaration, { ...this.place, parent });
  }

  /** Rows of the same key meet. @throws Failure `invalid_definition` */
  join<R, O, K extends 'inner' | 'left' | 'outer'>(
    name: string,
    other: Table<R>,
    options: JoinOptions<K, T, R, O>,
  ): Table<O> {
    this.#declaration.claim('join', name);
    const [left, right] = [sideOf(name, this.place), sideOf(name, other.place)];
    const node = tableNode(
      name,
      { left: left.format, right: right.format },
      options as JoinOptions<'inner' | 'left' | 'outer', T, R, O>,
    );
    const parent = hang(node, name, { left, right });
    return new Table(this.#declaration, { parent, format: null, isOnePerRecord: false });
  }

  /** Each row meets the row of the other table that it names, wherever that lies. @throws Failure `invalid_definition` */
  joinForeignKey<R, O, K extends 'inner' | 'left'>(
    name: string,
    other: Table<R>,
    options: ForeignKeyOptions<K, T, R, O>,
  ): Table<O> {
    this.#declaration.claim('join', name);
    const place = foreignKeyJoin(this.#declaration, name, { left: this.place, right: other.place }, options);
    return new Table<O>(this.#declaration, place);
  }

  /**
   * Rows by a field of theirs, to be aggregated.
   * @param groupOf the key of the row's group; null or undefined: it is in none
   */
  groupBy(groupOf: GroupOf<T>): GroupedTable<T> {
    if (typeof groupOf !== 'function')
      throw invalid('groupBy', 'is given no function.', 'Give one: `groupBy((row) => row.city)`.');
    return new GroupedTable(this.#declaration, this.place, groupOf);
  }

  /** Deleted rows are written as records without a value. */
  to(topic: string, format: Format<T>, options: OutputOptions<T> = {}): void {
    this.#declaration.sink(this.place.parent, topic, format, true, options);
  }
}

/** A table by the groups of its rows. */
export class GroupedTable<T> {
  readonly #declaration: Declaration;
  readonly #place: Place<T>;
  readonly #groupOf: GroupOf<T>;

  constructor(declaration: Declaration, place: Place<T>, groupOf: GroupOf<T>) {
    this.#declaration = declaration;
    this.#place = place;
    this.#groupOf = groupOf;
  }

  /**
   * A table of the groups: the aggregates over the rows that each has now, again at every change; one without rows is deleted.
   * @param name of the internal topic too, and of the state behind it: small letters, digits, - and _
   * @throws Failure `invalid_definition`, naming the field
   */
  aggregate<const F extends GroupFeatures<T>>(name: string, options: GroupDeclaration<T, F>): Table<FeatureValues<F>> {
    this.#declaration.claim('aggregate', name);
    const rows = { place: this.#place, groupOf: this.#groupOf };
    return new Table(this.#declaration, groupedTable(this.#declaration, name, rows, options));
  }
}
