// Partial results of any aggregates of the catalogue, sketches included, as objects: for windows that are closed now and then, and
// groups of a table, where a ring of doubles (pane-ring.ts) will not do. Features that keep the same over the same field share one
// partial result.
import { crc32 } from 'node:zlib';
import { Failure } from '../../schemas/failure.ts';
import { type Aggregate, type AnySketch, type NumericAggregate, type SketchResult } from '../aggregates/aggregate.ts';

export interface BoxedFeature {
  readonly name: string;
  readonly aggregate: Aggregate;
  /** field of the event; null: it is about events */
  readonly field: string | null;
  /** field of its second value (a ratio's denominator) */
  readonly second: string | null;
}

/** One partial result per group. Never changed once it is part of a row: a step that throws must have changed nothing. */
export type Partials = readonly unknown[];

export type FieldsOfEvent = Readonly<Record<string, unknown>>;

/** An event with its time. */
export interface TimedEvent {
  readonly event: FieldsOfEvent;
  readonly timeMs: number;
}

/** What one group keeps; `State` goes only to the group that made it. */
interface Kept {
  create(): unknown;
  add(state: unknown, event: FieldsOfEvent, timeMs: number): void;
  /** takes out what was added: same event, same time */
  retract(state: unknown, event: FieldsOfEvent, timeMs: number): void;
  copy(state: unknown): unknown;
  merge(into: unknown, from: unknown): void;
  encode(state: unknown): Buffer;
  decode(bytes: Buffer): unknown;
}

interface Group extends Kept {
  readonly id: string;
}

export class BoxedPartials {
  readonly #groups: Group[] = [];
  readonly #features: readonly { readonly name: string; readonly group: number; readonly aggregate: Aggregate }[];
  /** of what is kept, in order: a row that was written for other features is not misread */
  readonly layout: number;

  /** names of the fields that are read */
  readonly #fields: readonly string[];
  /** whether what an event adds depends on its time */
  readonly areOfTime: boolean;

  constructor(features: readonly BoxedFeature[]) {
    const named = features.flatMap(({ field, second }) => [field, second]).filter((name) => name !== null);
    this.#fields = [...new Set(named)].sort();
    this.areOfTime = features.some(({ aggregate }) => aggregate.isOfTime === true);
    this.#features = features.map((feature) => ({
      name: feature.name,
      aggregate: feature.aggregate,
      group: this.#groupOf(feature),
    }));
    this.layout = crc32(JSON.stringify(this.#groups.map(({ id }) => id)));
  }

  #groupOf({ aggregate, field, second }: BoxedFeature): number {
    const id = JSON.stringify([aggregate.partial, field, second]);
    const known = this.#groups.findIndex((group) => group.id === id);
    if (known >= 0) return known;
    const kept = aggregate.kind === 'numeric' ? ofDoubles(aggregate, field, second) : ofSketch(aggregate, field);
    return this.#groups.push({ id, ...kept }) - 1;
  }

  /** @param parts oldest first; they stay as they are */
  folded(parts: readonly Partials[]): Partials {
    return this.#groups.map((group, at) => {
      const [oldest, ...later] = parts.map((part) => part[at]);
      if (oldest === undefined) return group.create();
      const state = group.copy(oldest);
      for (const part of later) group.merge(state, part);
      return state;
    });
  }

  /**
   * The fold of the parts with one event more.
   * @throws Failure `invalid_field` where the event has a value of another kind
   */
  withEvent(parts: readonly Partials[], event: unknown, timeMs: number): Partials {
    if (typeof event !== 'object' || event === null)
      throw new Failure('invalid_field', 'The value is no object with fields.', {
        fix: 'Map it to one before it is aggregated.',
      });
    const partials = this.folded(parts);
    this.#groups.forEach((group, at) => group.add(partials[at], event as FieldsOfEvent, timeMs));
    return partials;
  }

  /**
   * The fields of an event that are read: with them alone it adds the same.
   * @throws Failure `invalid_field` where the event has a value of another kind
   */
  picked(event: unknown, timeMs: number): FieldsOfEvent {
    this.withEvent([], event, timeMs);
    const values = this.#fields.map((name) => [name, fieldOf(event as FieldsOfEvent, name)] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== null && value !== undefined));
  }

  /** One event taken out, where its features can do that, and one added. @param partials null: of nothing yet; they stay as they are */
  changed(partials: Partials | null, retracted: TimedEvent | null, added: TimedEvent | null): Partials {
    const changed = this.folded(partials === null ? [] : [partials]);
    this.#groups.forEach((group, at) => {
      if (retracted !== null) group.retract(changed[at], retracted.event, retracted.timeMs);
      if (added !== null) group.add(changed[at], added.event, added.timeMs);
    });
    return changed;
  }

  /** @param nowMs for decayed values and time since last */
  values(partials: Partials, nowMs: number): Record<string, SketchResult> {
    return Object.fromEntries(
      this.#features.map(({ name, group, aggregate }) => {
        const state = partials[group];
        return [
          name,
          aggregate.kind === 'numeric'
            ? aggregate.result(state as Float64Array, 0, nowMs)
            : aggregate.result(state, nowMs),
        ];
      }),
    );
  }

  /** Per group: length u32 LE | its bytes. */
  encode(partials: Partials): Buffer {
    return Buffer.concat(
      this.#groups.flatMap((group, at) => {
        const bytes = group.encode(partials[at]);
        const length = Buffer.allocUnsafe(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
      }),
    );
  }

  decode(bytes: Buffer): Partials {
    let at = 0;
    return this.#groups.map((group) => {
      const from = at + 4;
      at = from + bytes.readUInt32LE(at);
      return group.decode(bytes.subarray(from, at));
    });
  }
}

function ofDoubles(aggregate: NumericAggregate, field: string | null, second: string | null): Kept {
  const { slots, ofText, needsSecond } = aggregate;
  const numberOf = (event: FieldsOfEvent, name: string | null): number | null => {
    if (name === null) return 1;
    const value = fieldOf(event, name);
    if (ofText === null) return numberIn(name, value);
    if (value === null || value === undefined) return null;
    if (typeof value !== 'string') throw wrongKind(name, value, 'text');
    return ofText(value);
  };
  const otherOf = (event: FieldsOfEvent): number | null =>
    needsSecond ? numberIn(second ?? '', fieldOf(event, second ?? '')) : 0;
  return {
    create: () => {
      const state = new Float64Array(slots);
      aggregate.init(state, 0);
      return state;
    },
    add: (state, event, timeMs) => {
      const value = numberOf(event, field);
      const other = otherOf(event);
      if (value !== null && other !== null) aggregate.add(state as Float64Array, 0, value, timeMs, other);
    },
    retract: (state, event, timeMs) => {
      const value = numberOf(event, field);
      const other = otherOf(event);
      if (value !== null && other !== null) aggregate.retract(state as Float64Array, 0, value, timeMs, other);
    },
    copy: (state) => (state as Float64Array).slice(),
    merge: (into, from) => aggregate.fold(into as Float64Array, 0, from as Float64Array, 0, slots, 1),
    encode: (state) => {
      const bytes = Buffer.allocUnsafe(8 * slots);
      (state as Float64Array).forEach((value, at) => bytes.writeDoubleLE(value, 8 * at));
      return bytes;
    },
    decode: (bytes) => Float64Array.from({ length: slots }, (_, at) => bytes.readDoubleLE(8 * at)),
  };
}

function ofSketch(sketch: AnySketch, field: string | null): Kept {
  const name = field ?? '';
  const valueOf = (event: FieldsOfEvent): number | string | null => {
    const given = fieldOf(event, name);
    return typeof given === 'string' && sketch.takesText ? given : numberIn(name, given);
  };
  return {
    create: () => sketch.create(),
    add: (state, event, timeMs) => {
      const value = valueOf(event);
      if (value !== null) sketch.add(state, value, timeMs);
    },
    retract: (state, event, timeMs) => {
      const value = valueOf(event);
      if (value !== null) sketch.retract(state, value, timeMs);
    },
    // through bytes it behaves as the original does; a merge into a new sketch need not, to the bit
    copy: (state) => sketch.decode(sketch.encode(state)),
    merge: (into, from) => sketch.merge(into, from),
    encode: (state) => sketch.encode(state),
    decode: (bytes) => sketch.decode(bytes),
  };
}

/** What the event itself has: names such as `constructor` stand in the prototype of every object. */
function fieldOf(event: FieldsOfEvent, name: string): unknown {
  return Object.hasOwn(event, name) ? event[name] : undefined;
}

/** True and false are 1 and 0; null: the event has none. */
function numberIn(name: string, value: unknown): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrongKind(name, value, 'a number');
  return value;
}

function wrongKind(name: string, value: unknown, wanted: string): Failure {
  return new Failure('invalid_field', `${name}: ${JSON.stringify(value)} is not ${wanted}.`, {
    field: name,
    fix: `Give ${wanted}, or leave the field out.`,
  });
}
