// Avro schemas as ClickHouse columns, and values as RowBinary.
import { type AvroSchema } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';

/** A growing buffer. */
export class Bytes {
  #buffer = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  u8(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = value;
  }

  i32(value: number): void {
    this.#room(4);
    this.#length = this.#buffer.writeInt32LE(value, this.#length);
  }

  i64(value: number): void {
    this.#room(8);
    this.#buffer.writeInt32LE(value | 0, this.#length);
    this.#buffer.writeInt32LE(Math.floor(value / 4294967296), this.#length + 4);
    this.#length += 8;
  }

  f64(value: number): void {
    this.#room(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  varint(value: number): void {
    let left = value;
    while (left >= 128) {
      this.u8((left % 128) | 0x80);
      left = Math.floor(left / 128);
    }
    this.u8(left);
  }

  bytes(value: Buffer): void {
    this.varint(value.length);
    this.#room(value.length);
    this.#length += value.copy(this.#buffer, this.#length);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#room(length);
    this.#length += this.#buffer.write(value, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

export type Write = (into: Bytes, value: unknown) => void;

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly write: Write;
}

interface ComplexType {
  readonly type: unknown;
  readonly logicalType?: string;
  readonly items?: unknown;
  readonly values?: unknown;
  readonly fields?: readonly { readonly name: string; readonly type: unknown }[];
}

const PRIMITIVE: Readonly<Record<string, { readonly type: string; readonly write: Write }>> = {
  string: { type: 'String', write: (into, value) => into.text(value as string) },
  bytes: { type: 'String', write: (into, value) => into.bytes(value as Buffer) },
  int: { type: 'Int32', write: (into, value) => into.i32(value as number) },
  long: { type: 'Int64', write: (into, value) => into.i64(value as number) },
  float: { type: 'Float64', write: (into, value) => into.f64(value as number) },
  double: { type: 'Float64', write: (into, value) => into.f64(value as number) },
  boolean: { type: 'Bool', write: (into, value) => into.u8(value === true ? 1 : 0) },
};

/** @throws Failure `invalid_field` for what has no column type */
function columnType(avro: unknown): { type: string; write: Write } {
  if (typeof avro === 'string') {
    const primitive = PRIMITIVE[avro];
    if (primitive !== undefined) return primitive;
  } else if (Array.isArray(avro)) return unionType(avro);
  else if (typeof avro === 'object' && avro !== null) return complexType(avro as ComplexType);
  throw new Failure('invalid_field', `The Avro type ${JSON.stringify(avro)} has no column type.`, {
    fix: 'Use primitives, null unions, arrays, maps, enums and records.',
  });
}

function unionType(members: readonly unknown[]): { type: string; write: Write } {
  const others = members.filter((member) => member !== 'null');
  if (others.length !== 1)
    throw new Failure('invalid_field', `The union ${JSON.stringify(members)} has no column type.`, {
      fix: 'Use a union of null and one type.',
    });
  const inner = columnType(others[0]);
  return {
    type: `Nullable(${inner.type})`,
    write: (into, value) => {
      into.u8(value === null || value === undefined ? 1 : 0);
      if (value !== null && value !== undefined) inner.write(into, value);
    },
  };
}

function complexType(avro: ComplexType): { type: string; write: Write } {
  if (avro.logicalType === 'timestamp-millis')
    return { type: "DateTime64(3, 'UTC')", write: (into, value) => into.i64(value as number) };
  if (avro.type === 'array') {
    const inner = columnType(avro.items);
    return {
      type: `Array(${inner.type})`,
      write: (into, value) => {
        const list = value as readonly unknown[];
        into.varint(list.length);
        for (const item of list) inner.write(into, item);
      },
    };
  }
  if (avro.type === 'map') {
    const inner = columnType(avro.values);
    return {
      type: `Map(String, ${inner.type})`,
      write: (into, value) => {
        const entries = Object.entries(value as Readonly<Record<string, unknown>>);
        into.varint(entries.length);
        for (const [key, item] of entries) {
          into.text(key);
          inner.write(into, item);
        }
      },
    };
  }
  if (avro.type === 'enum') return PRIMITIVE['string'] ?? columnType('string');
  if (avro.type === 'record') {
    const fields = (avro.fields ?? []).map((field) => ({ name: field.name, ...columnType(field.type) }));
    return {
      type: `Tuple(${fields.map((field) => `${field.name} ${field.type}`).join(', ')})`,
      write: (into, value) => {
        for (const field of fields) field.write(into, (value as Readonly<Record<string, unknown>>)[field.name]);
      },
    };
  }
  return columnType(avro.type);
}

export function columnsOf(schema: AvroSchema): Column[] {
  return schema.fields.map((field) => ({ name: field.name, ...columnType(field.type) }));
}
