// Writes schemas/events.generated.ts from schemas/avro/*.avsc. Run: npm run generate. A test checks that it is up to date.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

type Avro =
  | string
  | Avro[]
  | { type: Avro; name?: string; items?: Avro; values?: Avro; fields?: AvroField[]; logicalType?: string };
interface AvroField {
  name: string;
  type: Avro;
  doc?: string;
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: 'string',
  int: 'number',
  long: 'number',
  double: 'number',
  float: 'number',
  boolean: 'boolean',
  bytes: 'Buffer',
  null: 'null',
};

function typeOf(avro: Avro, nested: Map<string, string>): string {
  if (typeof avro === 'string') return PRIMITIVES[avro] ?? avro;
  if (Array.isArray(avro)) return avro.map((member) => typeOf(member, nested)).join(' | ');
  if (avro.type === 'array') {
    const item = typeOf(avro.items ?? 'null', nested);
    return `readonly ${item.includes('|') ? `(${item})` : item}[]`;
  }
  if (avro.type === 'map') return `Readonly<Record<string, ${typeOf(avro.values ?? 'null', nested)}>>`;
  if (avro.type === 'record') {
    const name = avro.name ?? '';
    if (!nested.has(name)) nested.set(name, interfaceOf(name, avro.fields ?? [], nested));
    return name;
  }
  return typeOf(avro.type, nested);
}

function interfaceOf(name: string, fields: readonly AvroField[], nested: Map<string, string>): string {
  const lines = fields.map((field) => {
    const doc = field.doc === undefined ? '' : `  /** ${field.doc} */\n`;
    return `${doc}  readonly ${field.name}: ${typeOf(field.type, nested)};`;
  });
  return `export interface ${name} {\n${lines.join('\n')}\n}\n`;
}

/** The text of events.generated.ts for the schemas in `folder`. */
export function generateTypes(folder: string): string {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.avsc'))
    .sort();
  const nested = new Map<string, string>();
  const names: string[] = [];
  const bodies: string[] = [];
  for (const file of files) {
    const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      name: string;
      doc?: string;
      fields: AvroField[];
    };
    names.push(schema.name);
    const doc = schema.doc === undefined ? '' : `/** ${schema.doc} */\n`;
    bodies.push(doc + interfaceOf(schema.name, schema.fields, nested));
  }
  const map = `export interface EventTypes {\n${names.map((name) => `  readonly ${name}: ${name};`).join('\n')}\n}\n`;
  const list = `export const EVENT_NAMES = [\n${names.map((name) => `  '${name}',`).join('\n')}\n] as const;\n\nexport type EventName = (typeof EVENT_NAMES)[number];\n`;
  const header = '// Generated from schemas/avro by `npm run generate`. Do not edit.\n';
  return [header, ...[...nested.entries()].sort().map(([, text]) => text), ...bodies, map, list].join('\n');
}
