// Numbers of an Avro record in the Confluent frame (byte 0, schema id), read in place: what nobody asked for is stepped over.
// One reader per schema id: events of older schemas are read by the schema that wrote them, and fields that it lacks count as null.
// NaN counts as null too; an infinite number is refused, as in JSON, which has none.
import { type AvroSchema, type SchemaRegistry } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { AvroCursor } from './avro-cursor.ts';
import { type Shape, isNumeric, shapeOf } from './avro-shapes.ts';
import { type FieldReader, type WantedField } from './field-reader.ts';

const FRAME_BYTES = 5;

interface Step {
  readonly shape: Shape;
  /** index of the wanted field; −1: only stepped over */
  readonly wanted: number;
}

/** How values of one schema are read. */
interface Plan {
  readonly steps: readonly Step[];
  /** the first wanted field that the schema lacks, and that is not optional: none of its values can be read */
  readonly missing: string | null;
}

export class AvroFieldReader implements FieldReader {
  readonly fields: readonly string[];
  readonly #wanted: readonly WantedField[];
  /** by schema id; null: the registry does not know it */
  readonly #plans = new Map<number, Plan | null>();
  /** of the schema that was asked for last: most values have the one before's */
  #lastId = -1;
  #lastPlan: Plan | null = null;
  readonly #cursor = new AvroCursor();

  constructor(wanted: readonly WantedField[]) {
    this.fields = wanted.map(({ name }) => name);
    this.#wanted = wanted;
  }

  unknownSchema(data: Buffer, start: number, end: number): number | null {
    if (end - start < FRAME_BYTES || data[start] !== 0) return null;
    const id = schemaId(data, start);
    return id === this.#lastId || this.#plans.has(id) ? null : id;
  }

  async learn(id: number, registry: Pick<SchemaRegistry, 'schemaOf'>): Promise<void> {
    try {
      this.#plans.set(id, this.#plan(await registry.schemaOf(id)));
    } catch (failure) {
      // nobody knows this schema: each of its values is told so
      if (!(failure instanceof Failure && failure.code === 'undecodable_record')) throw failure;
      this.#plans.set(id, null);
    }
    this.#lastId = -1;
  }

  #plan(schema: AvroSchema): Plan {
    const named = new Map<string, Shape>();
    const steps = schema.fields.map(({ name, type }) => ({
      shape: shapeOf(type, named),
      wanted: this.fields.indexOf(name),
    }));
    // nothing behind the last wanted field need be walked
    let length = steps.length;
    while (length > 0 && (steps[length - 1]?.wanted ?? -1) < 0) length -= 1;
    const missing = this.#wanted.find(
      ({ name, optional }) => !optional && !schema.fields.some((has) => has.name === name),
    );
    return { steps: steps.slice(0, length), missing: missing?.name ?? null };
  }

  #planOf(id: number): Plan | null {
    if (id === this.#lastId) return this.#lastPlan;
    const plan = this.#plans.get(id) ?? null;
    if (plan === null) return null;
    this.#lastId = id;
    this.#lastPlan = plan;
    return plan;
  }

  read(data: Buffer, start: number, end: number, into: Float64Array, at: number): Failure | null {
    if (end - start < FRAME_BYTES || data[start] !== 0) return notFramed();
    const id = schemaId(data, start);
    const plan = this.#planOf(id);
    if (plan === null) return unknownId(id);
    for (let index = 0; index < this.#wanted.length; index += 1) into[at + index] = Number.NaN;
    const cursor = this.#cursor;
    cursor.begin(data, start + FRAME_BYTES, end);
    const { steps } = plan;
    let infinite = -1;
    for (let index = 0; index < steps.length; index += 1) {
      const step = steps[index];
      if (step === undefined) continue;
      if (step.wanted < 0) cursor.skip(step.shape);
      else {
        const value = cursor.number(step.shape);
        if (value === Infinity || value === -Infinity) infinite = step.wanted;
        into[at + step.wanted] = value;
      }
    }
    if (cursor.at > end) return tooShort();
    if (cursor.notNumeric) return this.#notNumeric(steps);
    if (infinite >= 0) return notFinite(this.fields[infinite] ?? '');
    return plan.missing === null ? null : missingField(plan.missing);
  }

  #notNumeric(steps: readonly Step[]): Failure {
    const step = steps.find(({ wanted, shape }) => wanted >= 0 && !isNumeric(shape));
    const field = this.fields[step?.wanted ?? -1] ?? '';
    return new Failure('invalid_field', `${field} is no number.`, { field, fix: 'Choose a numeric field.' });
  }
}

function notFinite(field: string): Failure {
  return new Failure('invalid_field', `${field} is infinite.`, { field, fix: 'Give a finite number or null.' });
}

function schemaId(data: Buffer, start: number): number {
  const low = ((data[start + 2] ?? 0) << 16) | ((data[start + 3] ?? 0) << 8) | (data[start + 4] ?? 0);
  return (data[start + 1] ?? 0) * 0x100_0000 + low;
}

function missingField(field: string): Failure {
  return new Failure('missing_field', `The event's schema has no field ${field}.`, {
    field,
    fix: 'Produce it, or declare it optional.',
  });
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
