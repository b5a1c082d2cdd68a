// The year's events, made from the compressed columns, in event-time order.
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { murmur2 } from '../../streams/murmur2.ts';

export const DEMO_TOPICS = {
  departures: 'flights.departures',
  weather: 'flights.weather',
  requests: 'flight-delay.requests',
  outcomes: 'flight-delay.outcomes',
} as const;

export const DEMO_ENDPOINT = 'flight-delay';

/** Record schema (infra/demo/schemas) by topic. */
export const DEMO_SCHEMAS: Readonly<Record<string, string>> = {
  [DEMO_TOPICS.departures]: 'Departure',
  [DEMO_TOPICS.weather]: 'Weather',
  [DEMO_TOPICS.requests]: 'DelayRequest',
  [DEMO_TOPICS.outcomes]: 'DelayOutcome',
};

export interface DemoEvent {
  readonly topic: string;
  readonly eventTimeMs: number;
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface FlightsOptions {
  /** keeps one aircraft in so many; 1: all */
  readonly sample: number;
  /** event times from here (inclusive) to there (exclusive), epoch ms */
  readonly fromMs: number;
  readonly untilMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const REQUEST_LEAD_MS = 60 * MINUTE_MS;
const CANCELLED_KNOWN_MS = 6 * HOUR_MS;
const LATE_MINUTES = 15;

type Columns = ReadonlyMap<string, readonly string[]>;

function readColumns(name: string): Columns {
  const text = brotliDecompressSync(readFileSync(new URL(`data/${name}.columns.br`, import.meta.url))).toString();
  const lines = text.split('\n');
  const columns = new Map<string, readonly string[]>();
  for (let at = 0; at + 1 < lines.length; at += 2) columns.set(lines[at] ?? '', (lines[at + 1] ?? '').split(','));
  return columns;
}

interface Flight {
  readonly requestId: string;
  readonly scheduledMs: number;
  readonly hour: number;
  readonly minute: number;
  readonly weekday: number;
  /** minutes; null: cancelled */
  readonly delay: number | null;
  readonly carrier: string;
  readonly flight: number;
  readonly tail: string | null;
  readonly origin: string;
  readonly destination: string;
  readonly distance: number;
}

export class FlightYear {
  readonly #flights: readonly Flight[];
  readonly #weather: Columns;

  constructor() {
    this.#flights = readFlights(readColumns('flights'));
    this.#weather = readColumns('weather');
  }

  get flights(): readonly Flight[] {
    return this.#flights;
  }

  /** All events in the order of their times; within an instant: weather, departures, outcomes, requests, each in the file's order. */
  events(options: FlightsOptions): DemoEvents {
    const makers: EventMaker[] = [];
    const times: number[] = [];
    const add = (timeMs: number, maker: EventMaker): void => {
      if (timeMs < options.fromMs || timeMs >= options.untilMs) return;
      makers.push(maker);
      times.push(timeMs);
    };
    this.#addWeather(add);
    const kept = this.#flights.filter((flight) => keeps(flight, options.sample));
    for (const flight of kept) if (flight.delay !== null) add(departedMs(flight), { make: departureOf, flight });
    for (const flight of kept) add(knownMs(flight), { make: outcomeOf, flight });
    for (const flight of kept) add(flight.scheduledMs - REQUEST_LEAD_MS, { make: requestOf, flight });
    // the sort is stable: the order above decides the rest
    const order = Uint32Array.from(times.keys()).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
    return new DemoEvents(makers, times, order);
  }

  #addWeather(add: (timeMs: number, maker: EventMaker) => void): void {
    const column = (name: string): readonly string[] => this.#weather.get(name) ?? [];
    const times = column('time_hour');
    const airports = column('origin');
    const seen = new Set<string>();
    for (const [index, time] of times.entries()) {
      const airport = airports[index] ?? '';
      const observedMs = Date.parse(time);
      // three hours stand twice in the file (the change from summer time): the first counts
      if (seen.has(`${airport}${observedMs}`)) continue;
      seen.add(`${airport}${observedMs}`);
      add(observedMs, { make: (weather: Columns) => weatherOf(weather, index), weather: this.#weather });
    }
  }
}

type EventMaker =
  | { make(flight: Flight): DemoEvent; readonly flight: Flight }
  | { make(weather: Columns): DemoEvent; readonly weather: Columns };

/** Events in order, each made when it is asked for: a year of them at once would take most of a gigabyte. */
export class DemoEvents {
  readonly #makers: readonly EventMaker[];
  readonly #times: readonly number[];
  readonly #order: Uint32Array;

  constructor(makers: readonly EventMaker[], times: readonly number[], order: Uint32Array) {
    this.#makers = makers;
    this.#times = times;
    this.#order = order;
  }

  get length(): number {
    return this.#order.length;
  }

  timeMs(index: number): number | undefined {
    return this.#times[this.#order[index] ?? -1];
  }

  slice(from: number, to: number): DemoEvent[] {
    const events: DemoEvent[] = [];
    for (const index of this.#order.subarray(from, to)) {
      const maker = this.#makers[index];
      if (maker !== undefined) events.push('flight' in maker ? maker.make(maker.flight) : maker.make(maker.weather));
    }
    return events;
  }
}

function weatherOf(columns: Columns, index: number): DemoEvent {
  const observedMs = Date.parse(columns.get('time_hour')?.[index] ?? '');
  const airport = columns.get('origin')?.[index] ?? '';
  const value = (name: string): number | null => numberOf(columns.get(name)?.[index]);
  return {
    topic: DEMO_TOPICS.weather,
    eventTimeMs: observedMs,
    key: airport,
    value: {
      observed_at: observedMs,
      airport,
      temperature: value('temp'),
      wind_speed: value('wind_speed'),
      gust: value('wind_gust'),
      precipitation: value('precip'),
      pressure: value('pressure'),
      visibility: value('visib'),
    },
  };
}

function departedMs(flight: Flight): number {
  return flight.scheduledMs + (flight.delay ?? 0) * MINUTE_MS;
}

/** When the outcome is known: at the departure; for a cancelled flight six hours after the schedule. */
function knownMs(flight: Flight): number {
  return flight.delay === null ? flight.scheduledMs + CANCELLED_KNOWN_MS : departedMs(flight);
}

function numberOf(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : Number(text);
}

function keeps(flight: Flight, sample: number): boolean {
  return sample <= 1 || (murmur2(Buffer.from(flight.tail ?? flight.requestId)) & 0x7fffffff) % sample === 0;
}

function readFlights(columns: Columns): Flight[] {
  const column = (name: string): readonly string[] => columns.get(name) ?? [];
  const [times, months, days, hours, minutes, delays] = [
    column('time_hour'),
    column('month'),
    column('day'),
    column('hour'),
    column('minute'),
    column('dep_delay'),
  ];
  const [carriers, numbers, tails, origins, destinations, distances] = [
    column('carrier'),
    column('flight'),
    column('tailnum'),
    column('origin'),
    column('dest'),
    column('distance'),
  ];
  const flights: Flight[] = [];
  const seen = new Map<string, number>();
  for (const [index, time] of times.entries()) {
    const [month, day] = [Number(months[index]), Number(days[index])];
    const [hour, minute] = [Number(hours[index]), Number(minutes[index])];
    const two = (value: number): string => String(value).padStart(2, '0');
    const plain = `2013${two(month)}${two(day)}-${carriers[index]}${numbers[index]}-${origins[index]}-${two(hour)}${two(minute)}`;
    const copy = (seen.get(plain) ?? 0) + 1;
    seen.set(plain, copy);
    flights.push({
      requestId: copy === 1 ? plain : `${plain}-${copy}`,
      scheduledMs: Date.parse(time) + minute * MINUTE_MS,
      hour,
      minute,
      weekday: ((new Date(Date.UTC(2013, month - 1, day)).getUTCDay() + 6) % 7) + 1,
      delay: numberOf(delays[index]),
      carrier: carriers[index] ?? '',
      flight: Number(numbers[index]),
      tail: tails[index] === '' ? null : (tails[index] ?? null),
      origin: origins[index] ?? '',
      destination: destinations[index] ?? '',
      distance: Number(distances[index]),
    });
  }
  return flights;
}

function departureOf(flight: Flight): DemoEvent {
  const timeMs = departedMs(flight);
  return {
    topic: DEMO_TOPICS.departures,
    eventTimeMs: timeMs,
    key: flight.tail ?? flight.requestId,
    value: {
      departed_at: timeMs,
      carrier: flight.carrier,
      flight: flight.flight,
      tail_number: flight.tail,
      origin: flight.origin,
      destination: flight.destination,
      scheduled_at: flight.scheduledMs,
      departure_delay: flight.delay ?? 0,
      distance: flight.distance,
    },
  };
}

function outcomeOf(flight: Flight): DemoEvent {
  const timeMs = knownMs(flight);
  const label = flight.delay === null || flight.delay >= LATE_MINUTES ? 1 : 0;
  return {
    topic: DEMO_TOPICS.outcomes,
    eventTimeMs: timeMs,
    key: flight.requestId,
    value: { request_id: flight.requestId, known_at: timeMs, label, delay_minutes: flight.delay },
  };
}

function requestOf(flight: Flight): DemoEvent {
  const requestedMs = flight.scheduledMs - REQUEST_LEAD_MS;
  return {
    topic: DEMO_TOPICS.requests,
    eventTimeMs: requestedMs,
    key: flight.requestId,
    value: {
      request_id: flight.requestId,
      requested_at: requestedMs,
      carrier: flight.carrier,
      flight: flight.flight,
      origin: flight.origin,
      destination: flight.destination,
      tail_number: flight.tail,
      scheduled_at: flight.scheduledMs,
      hour: flight.hour,
      minute: flight.minute,
      weekday: flight.weekday,
      distance: flight.distance,
    },
  };
}
