// A feature view as an application of two sub-topologies: `route` moves source events to the partition of their entity,
// `window` keeps the windows and writes feature rows.
import { type AvroCodec, type AvroReader } from '../../schemas/codec.ts';
import { type FeatureViewDefinition } from '../../schemas/definitions.ts';
import { Failure } from '../../schemas/failure.ts';
import { type HeaderMaker } from '../../streams/event-headers.ts';
import { type KeyedSteps, KeyedProcessor } from '../../streams/keyed-processor.ts';
import { type Input } from '../../streams/lane.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type Instant } from '../../streams/merge.ts';
import {
  type ApplicationSpec,
  type Decoded,
  type Processor,
  type SubTopology,
  type TaskContext,
} from '../../streams/processor.ts';
import { applicationIds } from '../../streams/topology.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { decodeValue } from './decode-value.ts';
import { type ExtractedEvent, extractEvent } from './extract.ts';
import { decodeRouted, encodeRouted } from './routed-event.ts';
import {
  type CompiledView,
  type EntityState,
  type SourceEvent,
  applyInstant,
  compileView,
  decodeState,
  encodeState,
  newState,
  nextExpiryMs,
} from './window.ts';

/** A feature row: the fixed fields, then one number or null per feature. */
export type FeatureRow = Readonly<Record<string, string | number | null>>;

export interface ViewApplicationOptions {
  readonly view: FeatureViewDefinition;
  readonly definitionHash: string;
  readonly names: TopicNames;
  readonly reader: AvroReader;
  readonly rowCodec: AvroCodec<FeatureRow>;
  readonly headers: HeaderMaker;
  readonly sourcePartitions: number;
  readonly viewPartitions: number;
  /** wall clock, for ce_time only */
  nowMs(): number;
}

export function viewApplication(options: ViewApplicationOptions): ApplicationSpec {
  const subTopologies: unknown[] = [routeTopology(options), windowTopology(options)];
  return { id: applicationIds.view(options.view.name), subTopologies: subTopologies as SubTopology<never>[] };
}

function routeTopology(options: ViewApplicationOptions): SubTopology {
  const { view, names } = options;
  const target = names.repartition(applicationIds.view(view.name));
  return {
    name: 'route',
    topics: [view.source.topic],
    lanesOf: () => 1,
    single: false,
    globalTopics: [],
    store: null,
    outputLanes: ([own = 0]) =>
      Array.from({ length: options.viewPartitions }, (_, number) => ({ topic: target, partition: number, lane: own })),
    create: async (context) => ({ processor: routeProcessor(options, context, target), globalPositions: new Map() }),
  };
}

function routeProcessor(
  { view, reader }: ViewApplicationOptions,
  context: TaskContext<unknown>,
  target: string,
): Processor {
  const compiled = compileView(view);
  return {
    decode: (record) =>
      decoding(() => {
        const extracted = extractEvent(compiled, decodeValue(reader, record.value), record.partition, record.offset);
        if (extracted === null) return { kind: 'skip' };
        return { kind: 'input', lane: 0, eventTimeMs: extracted.event.eventTimeMs, value: extracted };
      }),
    step: ({ inputs }) => {
      for (const { value } of inputs) {
        const { entityKey, event } = value as ExtractedEvent;
        context.emit({
          topic: target,
          timestampMs: event.eventTimeMs,
          key: Buffer.from(entityKey),
          value: encodeRouted(event),
        });
      }
    },
  };
}

function windowTopology(options: ViewApplicationOptions): SubTopology<EntityState> {
  const { view, names } = options;
  const compiled = compileView(view);
  const source = names.repartition(applicationIds.view(view.name));
  return {
    name: 'window',
    topics: [source],
    internalTopics: [source],
    lanesOf: () => options.sourcePartitions,
    single: false,
    globalTopics: [],
    store: {
      name: 'windows',
      serde: { encode: (state) => encodeState(compiled, state), decode: (bytes) => decodeState(compiled, bytes) },
    },
    readable: [
      {
        ...{ name: 'windows', partitions: options.viewPartitions, prefix: Buffer.alloc(0) },
        show: (row) => ({ value: shown(view, decodeState(compiled, row)) }),
      },
    ],
    onDemand: {
      timerOf: (row) => (view.expiry === 'emit' ? nextExpiryMs(compiled, decodeState(compiled, row)) : null),
      isPinned: () => false,
    },
    outputLanes: ([own = 0]) => [{ topic: names.features(view.name), partition: own, lane: 0 }],
    create: async (context) => ({
      processor: new KeyedProcessor(new WindowSteps(options, compiled, context), context.state),
      globalPositions: new Map(),
    }),
  };
}

/** What the newest feature row says, and the instant up to which nothing has changed it. */
function shown({ features }: FeatureViewDefinition, { atMs, lastValues }: EntityState): unknown {
  return {
    eventTimeMs: atMs,
    values: Object.fromEntries(features.map(({ name }, index) => [name, lastValues?.[index] ?? null])),
  };
}

class WindowSteps implements KeyedSteps {
  readonly #options: ViewApplicationOptions;
  readonly #view: CompiledView;
  readonly #context: TaskContext<EntityState>;
  readonly #topic: string;

  constructor(options: ViewApplicationOptions, view: CompiledView, context: TaskContext<EntityState>) {
    this.#options = options;
    this.#view = view;
    this.#context = context;
    this.#topic = options.names.features(options.view.name);
  }

  decode(record: LogRecord): Decoded {
    return decoding(() => {
      if (record.value === null) return { kind: 'skip' };
      const event = decodeRouted(record.value);
      return { kind: 'input', lane: event.sourcePartition, eventTimeMs: event.eventTimeMs, value: event };
    });
  }

  keyOf({ record }: Input): string {
    return record.key?.toString() ?? '';
  }

  step(instant: Instant): void {
    if (instant.inputs.length === 1 && instant.timers.length === 0) {
      const input = instant.inputs[0];
      if (input !== undefined)
        this.#applyTo(this.keyOf(input), instant.timeMs, this.#inTime(instant, input.record.key));
      return;
    }
    const keys = new Set<string>(instant.timers);
    for (const input of instant.inputs) keys.add(this.keyOf(input));
    for (const key of [...keys].sort()) this.#applyTo(key, instant.timeMs, this.#inTime(instant, Buffer.from(key)));
  }

  /** The instant's events of one key; those that came too late go to the dead letters. */
  #inTime(instant: Instant, key: Buffer | null): SourceEvent[] {
    const events: SourceEvent[] = [];
    const earliestMs = instant.timeMs - this.#options.view.lateness_ms;
    for (const { record, value } of instant.inputs) {
      if (key === null || record.key === null || !record.key.equals(key)) continue;
      const event = value as SourceEvent;
      if (event.eventTimeMs < instant.timeMs && event.eventTimeMs < earliestMs)
        this.#context.deadLetter(record, tooLate(event, instant, this.#options.view));
      else events.push(event);
    }
    return events;
  }

  #applyTo(key: string, timeMs: number, events: readonly SourceEvent[]): void {
    const { state: states, setTimer, emit } = this.#context;
    const state = states.get(key) ?? newState(this.#view);
    const row = applyInstant(this.#view, state, timeMs, events);
    states.put(key, state);
    if (this.#options.view.expiry === 'emit') setTimer(key, nextExpiryMs(this.#view, state));
    if (row === null) return;
    const { rowCodec, headers, definitionHash, view } = this.#options;
    const value: Record<string, string | number | null> = {
      entity_key: key,
      event_time: timeMs,
      valid_until: row.validUntilMs,
      definition_hash: definitionHash,
      source_topic: view.source.topic,
      source_partition: row.sourcePartition,
      source_offset: row.sourceOffset,
    };
    for (let index = 0; index < view.features.length; index += 1) {
      const feature = view.features[index];
      if (feature !== undefined) value[feature.name] = row.values[index] ?? null;
    }
    emit({
      topic: this.#topic,
      partition: this.#context.partition,
      timestampMs: timeMs,
      key: Buffer.from(key),
      value: rowCodec.encode(value),
      headers: headers(`${view.name}/${key}/${timeMs}`, this.#options.nowMs()),
    });
  }
}

function tooLate(event: SourceEvent, instant: Instant, view: FeatureViewDefinition): Failure {
  return new Failure(
    'too_late',
    `The event of ${new Date(event.eventTimeMs).toISOString()} came when the view ${view.name} stood at ${new Date(instant.timeMs).toISOString()}.`,
    {
      field: view.source.event_time_field,
      fix: `Raise the view's lateness (now ${view.lateness_ms} ms) if such events should still count.`,
    },
  );
}

function decoding(decode: () => Decoded): Decoded {
  try {
    return decode();
  } catch (failure) {
    if (failure instanceof Failure) return { kind: 'refused', failure };
    throw failure;
  }
}
