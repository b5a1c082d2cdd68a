// Declared windows as direct processing: fields out of the event, one row of panes per key, one output record per event.
import { type BatchBuilder } from '../batch-builder.ts';
import { type DirectContext, type DirectProcessor, type DirectSubTopology } from '../direct.ts';
import { type FieldReader } from '../fields/field-reader.ts';
import { type MutableRow, type RowWriter } from '../fields/row-writer.ts';
import { NEVER_MS } from '../lane.ts';
import { type RecordSlab } from '../log.ts';
import { partitionOfKey } from '../murmur2.ts';
import { isPositionKey, reservedKey } from '../state/position.ts';
import { type Row, type RowSerde } from '../state/row.ts';
import { type RowTable } from '../state/row-table.ts';
import { PaneRing, type PaneRingSpec } from './pane-ring.ts';
import { isEventTime, noEventTime } from '../../schemas/event-time.ts';
import { KEY_BYTES_MAX, readRow, rowBytesMax, writeRow } from './pane-row-serde.ts';
import { Failure } from '../../schemas/failure.ts';

export interface WindowStage {
  readonly name: string;
  readonly source: {
    /** records with the key that the windows are about */
    readonly topic: string;
    readonly reader: FieldReader;
    /** index of the event time (epoch ms) among the reader's fields; −1: the record's timestamp */
    readonly timeField: number;
  };
  readonly windows: PaneRingSpec;
  readonly output: {
    readonly topic: string;
    readonly partitions: number;
    /** the source has as many partitions and its keys lie as Kafka's partitioner puts them: rows stay in their partition */
    readonly isCopartitioned: boolean;
    readonly writer: RowWriter;
  };
}

export function windowStage(stage: WindowStage): DirectSubTopology {
  const ring = new PaneRing(stage.windows);
  const serde: RowSerde = {
    doubles: ring.doubles,
    bytesMax: (row) => rowBytesMax(ring, row),
    write: (row, into, at) => writeRow(ring, row, into, at),
    read: (bytes, into) => readRow(ring, bytes, into),
  };
  return {
    kind: 'direct',
    name: stage.name,
    topics: [stage.source.topic],
    store: { name: stage.name, serde, show: (row) => shown(stage.windows, ring, row) },
    create: (context) => new WindowProcessor(stage, ring, context),
  };
}

/** As of the newest event of the key. */
function shown({ features }: PaneRingSpec, ring: PaneRing, row: Row): unknown {
  const values = ring.values(row);
  return {
    eventTimeMs: Number.isNaN(row.newestMs) ? null : row.newestMs,
    values: Object.fromEntries(features.map(({ name }, index) => [name, values[index] ?? null])),
  };
}

class WindowProcessor implements DirectProcessor {
  readonly #stage: WindowStage;
  readonly #ring: PaneRing;
  readonly #context: DirectContext;
  readonly #rows: RowTable;
  readonly #builders: readonly BatchBuilder[];
  readonly #fields: Float64Array;
  readonly #row: MutableRow;
  timeMs = NEVER_MS;

  constructor(stage: WindowStage, ring: PaneRing, context: DirectContext) {
    if (context.rows === null) throw new Failure('internal', 'Windows need a store.');
    this.#stage = stage;
    this.#ring = ring;
    this.#context = context;
    this.#rows = context.rows;
    const { topic, partitions, isCopartitioned } = stage.output;
    const own = isCopartitioned ? [context.partition] : Array.from({ length: partitions }, (_, number) => number);
    this.#builders = own.map((partition) => context.outputs.builderFor(topic, partition));
    this.#fields = new Float64Array(Math.max(1, stage.source.reader.fields.length));
    this.#row = {
      keyData: Buffer.alloc(0),
      keyStart: -1,
      keyEnd: -1,
      timeMs: 0,
      fields: this.#fields,
      fieldsAt: 0,
      values: new Float64Array(ring.width),
    };
  }

  async prepare(slab: RecordSlab): Promise<void> {
    const { reader } = this.#stage.source;
    const { schemas } = this.#context;
    if (reader.unknownSchema === undefined || schemas === null) return;
    for (let index = 0; index < slab.count; index += 1) {
      const start = slab.valueStarts[index] ?? -1;
      if (start < 0) continue;
      const id = reader.unknownSchema(slab.data, start, slab.valueEnds[index] ?? start);
      if (id !== null) await reader.learn?.(id, schemas);
    }
  }

  process(slab: RecordSlab, from: number, to: number): void {
    const { reader, timeField } = this.#stage.source;
    const fields = this.#fields;
    for (let index = from; index < to; index += 1) {
      const start = slab.valueStarts[index] ?? -1;
      // a tombstone is no event
      if (start < 0) continue;
      const failure = reader.read(slab.data, start, slab.valueEnds[index] ?? start, fields, 0);
      if (failure !== null) {
        this.#context.deadLetter(slab, index, failure, 'decode');
        continue;
      }
      const timeMs = timeField < 0 ? (slab.timesMs[index] ?? 0) : (fields[timeField] ?? Number.NaN);
      this.#count(slab, index, timeMs);
    }
  }

  #count(slab: RecordSlab, index: number, timeMs: number): void {
    const keyStart = slab.keyStarts[index] ?? -1;
    if (keyStart < 0 || !isEventTime(timeMs)) {
      this.#context.deadLetter(slab, index, keyStart < 0 ? noKey() : noEventTime(timeMs), 'process');
      return;
    }
    const keyEnd = slab.keyEnds[index] ?? keyStart;
    if (isPositionKey(slab.data, keyStart, keyEnd)) {
      this.#context.deadLetter(slab, index, reservedKey(), 'process');
      return;
    }
    if (keyEnd - keyStart > KEY_BYTES_MAX) {
      this.#context.deadLetter(slab, index, longKey(keyEnd - keyStart), 'produce');
      return;
    }
    const row = this.#row;
    if (!this.#ring.add(this.#rows.rowOf(slab.data, keyStart, keyEnd), timeMs, this.#fields, 0, row.values, 0)) {
      this.#context.deadLetter(slab, index, tooLate(timeMs, this.#stage.windows), 'process');
      return;
    }
    this.#rows.changed();
    if (timeMs > this.timeMs) this.timeMs = timeMs;
    row.keyData = slab.data;
    row.keyStart = keyStart;
    row.keyEnd = keyEnd;
    row.timeMs = timeMs;
    this.#emit(slab.timesMs[index] ?? timeMs);
  }

  #emit(timestampMs: number): void {
    const { writer } = this.#stage.output;
    const row = this.#row;
    const builder = this.#builderFor();
    if (builder === undefined) return;
    const bytesMax = writer.bytesMax(row.keyEnd - row.keyStart);
    const at = builder.begin(timestampMs, row.keyData, row.keyStart, row.keyEnd, bytesMax);
    builder.end(writer.write(builder.bytes, at, row));
  }

  #builderFor(): BatchBuilder | undefined {
    if (this.#builders.length === 1) return this.#builders[0];
    const { keyData, keyStart, keyEnd } = this.#row;
    return this.#builders[partitionOfKey(keyData.subarray(keyStart, keyEnd), this.#builders.length)];
  }
}

function noKey(): Failure {
  return new Failure('missing_field', 'The record has no key: windows are kept by key.', {
    field: 'key',
    fix: 'Produce it with the key that the windows are about.',
  });
}

function longKey(bytes: number): Failure {
  return new Failure('too_large', `The key has ${bytes} bytes: a row of the windows would not fit into a record.`, {
    field: 'key',
    fix: `Keep keys of declared windows below ${KEY_BYTES_MAX} bytes.`,
  });
}

function tooLate(timeMs: number, { latenessMs }: PaneRingSpec): Failure {
  return new Failure(
    'too_late',
    `The event of ${new Date(timeMs).toISOString()} is more than ${latenessMs} ms older than the newest of its key.`,
    { fix: 'Raise the lateness if such events should still count.' },
  );
}
