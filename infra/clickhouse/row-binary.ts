// Avro schemas as ClickHouse columns, and values as RowBinary.
import { type AvroSchema } from '../../schemas/codec.ts';

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

interface ColumnType {
  readonly type: string;
  readonly write: Write;
}

const PRIMITIVE: Readonly<Record<string, ColumnType>> = {
  string: { type: 'String', write: (into, value) => into.text(value as string) },
  bytes: { type: 'String', write: (into, value) => into.bytes(value as Buffer) },
  int: { type: 'Int32', write: (into, value) => into.i32(value as number) },
  long: { type: 'Int64', write: (into, value) => into.i64(value as number) },
  float: { type: 'Float64', write: (into, value) => into.f64(value as number) },
  double: { type: 'Float64', write: (into, value) => into.f64(value as number) },
  boolean: { type: 'Bool', write: (into, value) => into.u8(value === true ? 1 : 0) },
};

/** What has no column type of its own is kept as JSON text: a schema of others must not stop the warehouse. */
const JSON_TEXT: ColumnType = {
  type: 'String',
  write: (into, value) => into.text(value === undefined ? '' : JSON.stringify(value)),
};
/** ClickHouse has no Nullable of these. */
const NEVER_NULLABLE = /^(Array|Map|Tuple|Nullable)\(/;

function columnType(avro: unknown): ColumnType {
  if (typeof avro === 'string') return PRIMITIVE[avro] ?? JSON_TEXT;
  if (Array.isArray(avro)) return unionType(avro);
  return typeof avro === 'object' && avro !== null ? complexType(avro as ComplexType) : JSON_TEXT;
}

function unionType(members: readonly unknown[]): ColumnType {
  const others = members.filter((member) => member !== 'null');
  if (others.length === members.length) return others.length === 1 ? columnType(others[0]) : JSON_TEXT;
  const given = others.length === 1 ? columnType(others[0]) : JSON_TEXT;
  const inner = NEVER_NULLABLE.test(given.type) ? JSON_TEXT : given;
  return {
    type: `Nullable(${inner.type})`,
    write: (into, value) => {
      into.u8(value === null || value === undefined ? 1 : 0);
      if (value !== null && value !== undefined) inner.write(into, value);
    },
  };
}

function complexType(avro: ComplexType): ColumnType {
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
  if (avro.type === 'enum') return columnType('string');
  if (avro.type === 'record') {
    const fields = (avro.fields ?? []).map((field) => ({ name: field.name, ...columnType(field.type) }));
    return {
      type: `Tuple(${fields.map((field) => `${field.name} ${field.type}`).join(', ')})`,
      write: (into, value) => {
        for (const field of fields) field.write(into, (value as Readonly<Record<string, unknown>>)[field.name]);
      },
    };
  }
  return avro.type === 'fixed' ? columnType('bytes') : columnType(avro.type);
}

export function columnsOf(schema: AvroSchema): Column[] {
  return schema.fields.map((field) => ({ name: field.name, ...columnType(field.type) }));
}
