// Declared windows over a topic: fields out of each event, features over windows of panes, one row out per event, as of its own time.
//
//   windows(builder, 'features', {
//     from: { topic: 'flights', format: 'json', eventTime: 'ts' },
//     step: '1h',
//     features: { delay_mean_24h: { function: 'mean', field: 'dep_delay', window: '24h' } },
//   }).to('flights.features', { format: 'json', key: 'k', eventTime: 'ts' });
import { readAggregate } from '../../schemas/aggregate-declaration.ts';
import { type AvroSchema } from '../../schemas/codec.ts';
import { Fields, invalid } from '../../schemas/reading.ts';
import { type NumericAggregate } from '../aggregates/aggregate.ts';
import { aggregateOf } from '../aggregates/catalogue.ts';
import { AvroFieldReader } from '../fields/avro-fields.ts';
import { type AvroPart, AvroRowWriter, avroRowSchema } from '../fields/avro-row.ts';
import { type FieldReader } from '../fields/field-reader.ts';
import { JsonFieldReader } from '../fields/json-fields.ts';
import { type JsonPart, JsonRowWriter } from '../fields/json-row.ts';
import { type RowWriter } from '../fields/row-writer.ts';
import { PaneRing, type PaneRingSpec, type WindowedFeature } from '../windows/pane-ring.ts';
import { requireRowsFit } from '../windows/pane-row-serde.ts';
import { windowStage } from '../windows/window-processor.ts';
import { Declaration } from './declaration.ts';
import { type WindowFeature } from './features.ts';
import { optionsOf } from './options.ts';
import { TopologyBuilder } from './topology.ts';

export interface WindowsDeclaration {
  readonly from: {
    readonly topic: string;
    readonly format: 'json' | 'avro';
    /** field with the event time, epoch ms; absent: the record's timestamp */
    readonly eventTime?: string;
    /** fields that events may lack */
    readonly optional?: readonly string[];
  };
  /** width of a pane, e.g. `1m`: windows move in steps of it */
  readonly step: string;
  /**
   * How much older than the newest event of its key an event may be, to the ms, and still count; `0s` unless given. Later ones go to the
   * dead letters (`too_late`). Panes are kept for so long besides the largest window.
   */
  readonly lateness?: string;
  /** by name */
  readonly features: Readonly<Record<string, WindowFeature>>;
}

/** What a row of the output has besides the features. */
export interface RowDeclaration {
  readonly format: 'json' | 'avro';
  /** name under which the key stands; absent: it stands in the record's key only */
  readonly key?: string;
  readonly eventTime?: string;
  /** fields of the event that go along: name in the row → name in the event */
  readonly copy?: Readonly<Record<string, string>>;
  /** avro only: id of the registered schema, `rowSchema(…)` */
  readonly schemaId?: number;
}

export class DeclaredWindows {
  readonly #builder: TopologyBuilder;
  readonly #name: string;
  readonly #declaration: WindowsDeclaration;
  readonly #features: readonly WindowedFeature[];
  readonly #fields: readonly string[];
  readonly #windows: PaneRingSpec;

  /** @throws Failure `invalid_definition`, naming the field */
  constructor(builder: TopologyBuilder, name: string, declaration: WindowsDeclaration, copied: readonly string[] = []) {
    this.#builder = builder;
    this.#name = name;
    this.#declaration = declaration;
    const path = `windows ${name}:`;
    const outer = optionsOf(path, declaration, ['from', 'step', 'lateness', 'features']);
    checkSource(outer.fields('from'));
    const { from } = declaration;
    const fields = [...(from.eventTime === undefined ? [] : [from.eventTime]), ...copied];
    const stepMs = outer.durationMs('step');
    if (stepMs <= 0) throw invalid(outer.at('step'), 'is not longer than nothing.', 'Give a step such as 1m.');
    const latenessMs = outer.durationMs('lateness', 0);
    const features = outer.fields('features').entries();
    if (features.length === 0) throw invalid(outer.at('features'), 'is empty.', 'Name at least one aggregate.');
    this.#features = features.map(([feature, value]) =>
      readFeature(`${path} features.${feature}`, feature, value, { stepMs, known: fields }),
    );
    this.#fields = fields;
    this.#windows = { stepMs, latenessMs, features: this.#features };
    requireRowsFit(path, new PaneRing(this.#windows));
  }

  /** The Avro schema of the rows that `to` writes with this declaration. */
  rowSchema(row: RowDeclaration): AvroSchema {
    checkRow(`windows ${this.#name}: to`, row);
    return avroRowSchema(this.#name.replaceAll(/[^A-Za-z0-9]/g, '_'), 'millrace.rows', this.#avroParts(row));
  }

  /** @throws Failure `invalid_definition`, naming the field */
  to(topic: string, row: RowDeclaration): void {
    const { from } = this.#declaration;
    checkRow(`windows ${this.#name}: to`, row);
    new Fields(`to ${topic}:`, { topic }).topic('topic', 'card-features');
    // made for each task; once more here for what it refuses
    this.#writer(row);
    this.#builder.addDirect({
      name: this.#name,
      topic: from.topic,
      outputTopic: topic,
      make: ({ input, output }) => {
        return windowStage({
          name: this.#name,
          source: {
            topic: from.topic,
            reader: this.#reader(),
            timeField: from.eventTime === undefined ? -1 : this.#fields.indexOf(from.eventTime),
          },
          windows: this.#windows,
          output: { topic, partitions: output, isCopartitioned: input === output, writer: this.#writer(row) },
        });
      },
    });
  }

  #reader(): FieldReader {
    const { format, optional = [] } = this.#declaration.from;
    const wanted = this.#fields.map((name) => ({ name, optional: optional.includes(name) }));
    return format === 'json' ? new JsonFieldReader(wanted) : new AvroFieldReader(wanted);
  }

  #writer(row: RowDeclaration): RowWriter {
    if (row.format === 'json') return new JsonRowWriter(this.#jsonParts(row));
    if (row.schemaId === undefined)
      throw invalid(`windows ${this.#name}: to.schemaId`, 'is missing.', 'Register rowSchema(…), and pass its id.');
    return new AvroRowWriter(row.schemaId, this.#avroParts(row));
  }

  #copied({ copy = {} }: RowDeclaration): { name: string; index: number }[] {
    return Object.entries(copy).map(([name, field]) => {
      const index = this.#fields.indexOf(field);
      if (index < 0)
        throw invalid(
          `windows ${this.#name}: to.copy.${name}`,
          `${field} is not read.`,
          'Copy a field that a feature uses, or name it in `windows(…, copied)`.',
        );
      return { name, index };
    });
  }

  #jsonParts(row: RowDeclaration): JsonPart[] {
    const { optional = [] } = this.#declaration.from;
    return [
      ...(row.key === undefined ? [] : [{ name: row.key, of: 'key' } as const]),
      ...(row.eventTime === undefined ? [] : [{ name: row.eventTime, of: 'time' } as const]),
      ...this.#copied(row).map(({ name, index }): JsonPart => ({
        name,
        of: 'field',
        index,
        nulls: !optional.includes(this.#fields[index] ?? ''),
      })),
      ...this.#features.map(({ name }, index): JsonPart => ({ name, of: 'value', index })),
    ];
  }

  #avroParts(row: RowDeclaration): AvroPart[] {
    return [
      ...(row.key === undefined ? [] : [{ name: row.key, of: 'key' } as const]),
      ...(row.eventTime === undefined ? [] : [{ name: row.eventTime, of: 'time' } as const]),
      ...this.#copied(row).map(({ name, index }): AvroPart => ({ name, of: 'field', index, type: 'nullable-double' })),
      ...this.#features.map(({ name, aggregate }, index): AvroPart => ({
        name,
        of: 'value',
        index,
        type: aggregate.name === 'count' ? 'long' : 'nullable-double',
      })),
    ];
  }
}

function checkSource(from: Fields): void {
  from.topic('topic', 'payments');
  from.choice('format', ['json', 'avro']);
  from.textOr('eventTime', 'paid_at');
  for (const { path, value } of from.list('optional'))
    if (typeof value !== 'string') throw invalid(path, 'is no text.', 'Name a field of the events.');
  from.end();
}

function checkRow(path: string, row: RowDeclaration): void {
  const fields = optionsOf(path, row, ['format', 'key', 'eventTime', 'copy', 'schemaId']);
  fields.choice('format', ['json', 'avro']);
  fields.textOr('key', 'card');
  fields.textOr('eventTime', 'paid_at');
  if (fields.has('copy')) {
    const copy = fields.fields('copy');
    for (const [name] of copy.entries()) copy.text(name, 'amount');
  }
  if (fields.has('schemaId')) fields.wholeNumber('schemaId', { min: 0, max: 2 ** 31 - 1 });
}

/** @param known fields that are read, which it adds to */
function readFeature(
  path: string,
  name: string,
  value: unknown,
  { stepMs, known }: { readonly stepMs: number; readonly known: string[] },
): WindowedFeature {
  const fields = new Fields(path, value);
  const declaration = readAggregate(fields);
  const aggregate = aggregateOf(declaration);
  if (aggregate.kind !== 'numeric' || aggregate.ofText !== null)
    throw invalid(
      `${path}.function`,
      `${declaration.function} is not kept in panes of numbers.`,
      'Use `windowed` of a stream for it, or a feature view.',
    );
  const place = (field: string): number => {
    const at = known.indexOf(field);
    return at < 0 ? known.push(field) - 1 : at;
  };
  const feature = {
    name,
    aggregate: aggregate satisfies NumericAggregate,
    field: aggregate.needsValue ? place(fields.text('field', 'amount')) : -1,
    ...(declaration.function === 'ratio' ? { second: place(declaration.denominator) } : {}),
    sizeMs: fields.durationMs('window'),
  };
  fields.end();
  if (!(feature.sizeMs > 0) || feature.sizeMs % stepMs !== 0)
    throw invalid(
      fields.at('window'),
      `${feature.sizeMs} ms is no multiple of the step, ${stepMs} ms.`,
      'Choose a window that is a whole number of steps.',
    );
  return feature;
}

/** @param copied fields that no feature uses and that `to` copies @throws Failure `invalid_definition`, naming the field */
export function windows(
  builder: TopologyBuilder,
  name: string,
  declaration: WindowsDeclaration,
  copied: readonly string[] = [],
): DeclaredWindows {
  return new DeclaredWindows(builder, name, declaration, copied);
}

/**
 * The Avro schema of the rows that such windows write: register it (`<topic>-value` is the subject that Confluent's readers look for),
 * and give its id as the row's `schemaId`. The arguments are those of `windows` and of `to`.
 */
export function rowSchema(
  name: string,
  declaration: WindowsDeclaration,
  row: RowDeclaration,
  copied: readonly string[] = [],
): AvroSchema {
  return new DeclaredWindows(new TopologyBuilder(new Declaration(name)), name, declaration, copied).rowSchema(row);
}
