// A file of JSON lines as events for the replayer.
import { AvroCodec, type AvroSchema } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { type DemoEvent } from './flights.ts';

export interface JsonLinesOptions {
  readonly topic: string;
  readonly keyField: string;
  readonly eventTimeField: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** what each line has to fit */
  readonly schema?: AvroSchema;
}

export class JsonLines {
  readonly #events: readonly DemoEvent[];

  /** @throws Failure naming the line and the field */
  constructor(text: string, options: JsonLinesOptions) {
    const codec = options.schema === undefined ? null : new AvroCodec<unknown>(0, options.schema);
    const events = text
      .split('\n')
      .map((line, index) => (line.trim() === '' ? null : eventOf(line, index + 1, options, codec)))
      .filter((event) => event !== null)
      .filter(({ eventTimeMs }) => eventTimeMs >= options.fromMs && eventTimeMs < options.untilMs);
    this.#events = events.sort((a, b) => a.eventTimeMs - b.eventTimeMs);
  }

  get length(): number {
    return this.#events.length;
  }

  timeMs(index: number): number | undefined {
    return this.#events[index]?.eventTimeMs;
  }

  slice(from: number, to: number): DemoEvent[] {
    return this.#events.slice(from, to);
  }
}

function eventOf(
  line: string,
  number: number,
  { topic, keyField, eventTimeField }: JsonLinesOptions,
  codec: AvroCodec<unknown> | null,
): DemoEvent {
  const wrong = (problem: string, field: string, fix: string): Failure =>
    new Failure('invalid_field', `Line ${number} ${problem}`, { field, fix });
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    parsed = null;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw wrong('is no JSON object.', '', 'Write one object per line.');
  const value = parsed as Record<string, unknown>;
  const [key, time] = [value[keyField], value[eventTimeField]];
  if (typeof key !== 'string' && typeof key !== 'number')
    throw wrong(`has no ${keyField}.`, keyField, 'Give text or an integer: it is the key.');
  const eventTimeMs = typeof time === 'number' ? time : typeof time === 'string' ? Date.parse(time) : Number.NaN;
  if (!Number.isFinite(eventTimeMs))
    throw wrong(`has no event time in ${eventTimeField}.`, eventTimeField, 'Give epoch milliseconds or ISO 8601 text.');
  const event = { ...value, [eventTimeField]: eventTimeMs };
  const misfit = codec?.misfit(event) ?? null;
  if (misfit !== null)
    throw wrong(
      `does not fit the schema: ${misfit} is ${JSON.stringify(value[misfit])}.`,
      misfit,
      'Correct one of the two.',
    );
  return { topic, eventTimeMs, key: String(key), value: event };
}
