// Numbers of an Avro record in the Confluent frame (byte 0, schema id), read in place: what nobody asked for is stepped over.
// One reader per schema id: events of older schemas are read by the schema that wrote them, and fields that it lacks count as null.
import { type AvroSchema, type SchemaRegistry } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { type FieldReader, type WantedField } from './field-reader.ts';

const FRAME_BYTES = 5;

/** What one field of a schema is, as far as stepping over and reading numbers go. */
type Shape =
  | { readonly kind: 'null' | 'boolean' | 'whole' | 'float' | 'double' | 'sized' }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'union'; readonly of: readonly Shape[] }
  | { readonly kind: 'record'; readonly of: readonly Shape[] }
  | { readonly kind: 'list'; readonly of: Shape; readonly hasKeys: boolean };

interface Step {
  readonly shape: Shape;
  /** index of the wanted field; −1: only stepped over */
  readonly wanted: number;
}

export class AvroFieldReader implements FieldReader {
  readonly fields: readonly string[];
  readonly #wanted: readonly WantedField[];
  /** by schema id; null: the registry does not know it */
  readonly #plans = new Map<number, readonly Step[] | null>();
  readonly #cursor = new AvroCursor();

  constructor(wanted: readonly WantedField[]) {
    this.fields = wanted.map(({ name }) => name);
    this.#wanted = wanted;
  }

  unknownSchema(data: Buffer, start: number, end: number): number | null {
    if (end - start < FRAME_BYTES || data[start] !== 0) return null;
    const id = data.readUInt32BE(start + 1);
    return this.#plans.has(id) ? null : id;
  }

  async learn(id: number, registry: Pick<SchemaRegistry, 'schemaOf'>): Promise<void> {
    try {
      this.#plans.set(id, this.#plan(await registry.schemaOf(id)));
    } catch (failure) {
      // nobody knows this schema: each of its values is told so
      if (!(failure instanceof Failure && failure.code === 'undecodable_record')) throw failure;
      this.#plans.set(id, null);
    }
  }

  #plan(schema: AvroSchema): readonly Step[] {
    const named = new Map<string, Shape>();
    const steps = schema.fields.map(({ name, type }) => ({
      shape: shapeOf(type, named),
      wanted: this.fields.indexOf(name),
    }));
    // nothing behind the last wanted field need be walked
    let length = steps.length;
    while (length > 0 && (steps[length - 1]?.wanted ?? -1) < 0) length -= 1;
    return steps.slice(0, length);
  }

  read(data: Buffer, start: number, end: number, into: Float64Array, at: number): Failure | null {
    if (end - start < FRAME_BYTES || data[start] !== 0) return notFramed();
    const plan = this.#plans.get(data.readUInt32BE(start + 1));
    if (plan === undefined || plan === null) return unknownId(data.readUInt32BE(start + 1));
    for (let index = 0; index < this.#wanted.length; index += 1) into[at + index] = Number.NaN;
    const cursor = this.#cursor;
    cursor.begin(data, start + FRAME_BYTES, end);
    let missing = this.#wanted.length;
    for (let index = 0; index < plan.length; index += 1) {
      const step = plan[index];
      if (step === undefined) continue;
      if (step.wanted < 0) cursor.skip(step.shape);
      else {
        into[at + step.wanted] = cursor.number(step.shape);
        missing -= 1;
      }
    }
    if (cursor.at > end) return tooShort();
    if (cursor.notNumeric) return this.#notNumeric(plan);
    return missing === 0 ? null : this.#missing(plan);
  }

  #missing(plan: readonly Step[]): Failure | null {
    for (const [index, { name, optional }] of this.#wanted.entries())
      if (!optional && !plan.some(({ wanted }) => wanted === index))
        return new Failure('missing_field', `The event's schema has no field ${name}.`, {
          field: name,
          fix: 'Produce it, or declare it optional.',
        });
    return null;
  }

  #notNumeric(plan: readonly Step[]): Failure {
    const step = plan.find(({ wanted, shape }) => wanted >= 0 && !isNumeric(shape));
    const field = this.fields[step?.wanted ?? -1] ?? '';
    return new Failure('invalid_field', `${field} is no number.`, { field, fix: 'Choose a numeric field.' });
  }
}

function isNumeric(shape: Shape): boolean {
  if (shape.kind === 'union') return shape.of.every(isNumeric);
  return ['null', 'boolean', 'whole', 'float', 'double'].includes(shape.kind);
}

function shapeOf(type: unknown, named: Map<string, Shape>): Shape {
  if (Array.isArray(type)) return { kind: 'union', of: type.map((member) => shapeOf(member, named)) };
  if (typeof type === 'string') return primitive(type, named);
  if (typeof type !== 'object' || type === null) throw unreadable(type);
  const { type: inner, name, items, values, fields, size } = type as Readonly<Record<string, unknown>>;
  switch (inner) {
    case 'record': {
      const of: Shape[] = [];
      const shape: Shape = { kind: 'record', of };
      if (typeof name === 'string') named.set(name, shape);
      for (const field of fields as readonly { readonly type: unknown }[]) of.push(shapeOf(field.type, named));
      return shape;
    }
    case 'array':
      return { kind: 'list', of: shapeOf(items, named), hasKeys: false };
    case 'map':
      return { kind: 'list', of: shapeOf(values, named), hasKeys: true };
    case 'enum':
      if (typeof name === 'string') named.set(name, { kind: 'whole' });
      return { kind: 'whole' };
    case 'fixed': {
      const shape: Shape = { kind: 'fixed', bytes: Number(size) };
      if (typeof name === 'string') named.set(name, shape);
      return shape;
    }
    default:
      return shapeOf(inner, named);
  }
}

const PRIMITIVES: Readonly<Record<string, Shape>> = {
  null: { kind: 'null' },
  boolean: { kind: 'boolean' },
  int: { kind: 'whole' },
  long: { kind: 'whole' },
  float: { kind: 'float' },
  double: { kind: 'double' },
  bytes: { kind: 'sized' },
  string: { kind: 'sized' },
};

function primitive(type: string, named: ReadonlyMap<string, Shape>): Shape {
  const shape = PRIMITIVES[type] ?? named.get(type);
  if (shape === undefined) throw unreadable(type);
  return shape;
}

function unreadable(type: unknown): Failure {
  return new Failure('undecodable_record', `The Avro type ${JSON.stringify(type)} is not known.`);
}

function notFramed(): Failure {
  return new Failure('undecodable_record', 'The value does not start with the Confluent frame.', {
    fix: 'Produce it with a Confluent Avro serializer.',
  });
}

function unknownId(id: number): Failure {
  return new Failure('undecodable_record', `Schema ${id} is not in the registry.`, {
    fix: 'Register the schema, then put the record back.',
  });
}

function tooShort(): Failure {
  return new Failure('undecodable_record', 'The value ends before its schema does.');
}

class AvroCursor {
  #data: Buffer = Buffer.alloc(0);
  #end = 0;
  at = 0;
  notNumeric = false;

  begin(data: Buffer, at: number, end: number): void {
    this.#data = data;
    this.#end = end;
    this.at = at;
    this.notNumeric = false;
  }

  /** Zigzag; beyond 2^53 rounded, as doubles are. */
  #whole(): number {
    const data = this.#data;
    let byte = data[this.at++] ?? 0;
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    // half of the zigzag value, so that numbers up to 2^53 stay exact; its lowest bit is the sign
    const isNegative = (byte & 1) === 1;
    let half = (byte & 127) >>> 1;
    for (let scale = 64; byte >= 128 && this.at <= this.#end; scale *= 128) {
      byte = data[this.at++] ?? 0;
      half += (byte & 127) * scale;
    }
    return isNegative ? -half - 1 : half;
  }

  /** The number that stands here; null as NaN, booleans as 1 and 0. */
  number(shape: Shape): number {
    switch (shape.kind) {
      case 'null':
        return Number.NaN;
      case 'boolean':
        return this.#data[this.at++] === 0 ? 0 : 1;
      case 'whole':
        return this.#whole();
      case 'float':
        this.at += 4;
        return this.at > this.#end ? Number.NaN : this.#data.readFloatLE(this.at - 4);
      case 'double':
        this.at += 8;
        return this.at > this.#end ? Number.NaN : this.#data.readDoubleLE(this.at - 8);
      case 'union': {
        const member = shape.of[this.#whole()];
        return member === undefined ? this.#broken() : this.number(member);
      }
      default:
        this.notNumeric = true;
        this.skip(shape);
        return Number.NaN;
    }
  }

  #broken(): number {
    this.at = Number.POSITIVE_INFINITY;
    return Number.NaN;
  }

  skip(shape: Shape): void {
    switch (shape.kind) {
      case 'null':
        return;
      case 'boolean':
        this.at += 1;
        return;
      case 'whole':
        this.#whole();
        return;
      case 'float':
        this.at += 4;
        return;
      case 'double':
        this.at += 8;
        return;
      case 'sized':
        this.#step(this.#whole());
        return;
      case 'fixed':
        this.at += shape.bytes;
        return;
      case 'record':
        for (const inner of shape.of) this.skip(inner);
        return;
      case 'union': {
        const member = shape.of[this.#whole()];
        if (member === undefined) this.#broken();
        else this.skip(member);
        return;
      }
      case 'list':
        this.#skipBlocks(shape.of, shape.hasKeys);
    }
  }

  #step(bytes: number): void {
    if (bytes < 0) this.#broken();
    else this.at += bytes;
  }

  #skipBlocks(of: Shape, hasKeys: boolean): void {
    while (this.at < this.#end) {
      const count = this.#whole();
      if (count === 0) return;
      // a negative count says the block's size too
      if (count < 0) this.#step(this.#whole());
      for (let index = 0; index < count && this.at < this.#end; index += 1) {
        if (hasKeys) this.#step(this.#whole());
        this.skip(of);
      }
    }
  }
}
