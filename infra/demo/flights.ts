// The year's events, made from the compressed columns when they are asked for, in event-time order.
import { murmur2 } from '../../streams/murmur2.ts';
import { ColumnFile, type TextColumn } from './columns.ts';

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

/** In the order in which events of one instant follow each other. */
const KINDS = ['weather', 'departure', 'outcome', 'request'] as const;
type Kind = (typeof KINDS)[number];

export class FlightYear {
  readonly #flights = new Flights(new ColumnFile('flights'));
  readonly #weather = new Weather(new ColumnFile('weather'));

  /** All events in the order of their times; within an instant: weather, departures, outcomes, requests, each in the file's order. */
  events({ sample, fromMs, untilMs }: FlightsOptions): DemoEvents {
    const [flights, weather] = [this.#flights, this.#weather];
    const most = weather.length + 3 * flights.length;
    const [kinds, rows, times] = [new Uint8Array(most), new Uint32Array(most), new Float64Array(most)];
    let length = 0;
    const add = (kind: Kind, row: number, timeMs: number): void => {
      if (timeMs < fromMs || timeMs >= untilMs) return;
      kinds[length] = KINDS.indexOf(kind);
      rows[length] = row;
      times[length] = timeMs;
      length += 1;
    };
    for (let row = 0; row < weather.length; row += 1) add('weather', row, weather.observedMs(row));
    const kept = flights.rows(sample);
    for (const row of kept) if (!flights.isCancelled(row)) add('departure', row, flights.departedMs(row));
    for (const row of kept) add('outcome', row, flights.knownMs(row));
    for (const row of kept) add('request', row, flights.requestedMs(row));
    // the order above decides within an instant
    const order = Uint32Array.from({ length }, (_, index) => index).sort(
      (a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b,
    );
    const make = (index: number): DemoEvent => {
      const [kind, row] = [KINDS[kinds[index] ?? 0], rows[index] ?? 0];
      if (kind === undefined || kind === 'weather') return weather.event(row);
      return flights.event(kind, row);
    };
    return new DemoEvents(make, times, order);
  }
}

/** Events in order, each made when it is asked for. */
export class DemoEvents {
  readonly #make: (index: number) => DemoEvent;
  readonly #times: Float64Array;
  readonly #order: Uint32Array;

  constructor(make: (index: number) => DemoEvent, times: Float64Array, order: Uint32Array) {
    this.#make = make;
    this.#times = times;
    this.#order = order;
  }

  get length(): number {
    return this.#order.length;
  }

  timeMs(index: number): number | undefined {
    const place = this.#order[index];
    return place === undefined ? undefined : this.#times[place];
  }

  slice(from: number, to: number): DemoEvent[] {
    return Array.from(this.#order.subarray(from, to), (index) => this.#make(index));
  }
}

/** Missing numbers are NaN in the columns and null in events. */
function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

class Weather {
  readonly #airports: TextColumn;
  readonly #observedMs: Float64Array;
  readonly #values: ReadonlyMap<string, Float64Array>;

  constructor(file: ColumnFile) {
    this.#airports = file.texts('origin');
    this.#observedMs = file.texts('time_hour').map(Date.parse);
    const names = { temp: 'temperature', wind_speed: 'wind_speed', wind_gust: 'gust', precip: 'precipitation' };
    const columns = { ...names, pressure: 'pressure', visib: 'visibility' };
    this.#values = new Map(Object.entries(columns).map(([column, name]) => [name, file.numbers(column)]));
  }

  get length(): number {
    return this.#observedMs.length;
  }

  observedMs(row: number): number {
    return this.#observedMs[row] ?? Number.NaN;
  }

  event(row: number): DemoEvent {
    const [airport, observedMs] = [this.#airports.at(row), this.observedMs(row)];
    const values = [...this.#values].map(([name, column]) => [name, orNull(column[row])] as const);
    return {
      topic: DEMO_TOPICS.weather,
      eventTimeMs: observedMs,
      key: airport,
      value: { observed_at: observedMs, airport, ...Object.fromEntries(values) },
    };
  }
}

class Flights {
  readonly #scheduledMs: Float64Array;
  readonly #months: Float64Array;
  readonly #days: Float64Array;
  readonly #hours: Float64Array;
  readonly #minutes: Float64Array;
  /** minutes; NaN: cancelled */
  readonly #delays: Float64Array;
  readonly #numbers: Float64Array;
  readonly #distances: Float64Array;
  readonly #carriers: TextColumn;
  readonly #tails: TextColumn;
  readonly #origins: TextColumn;
  readonly #destinations: TextColumn;
  /** 1, or more for a flight that has the same schedule and name as those before it */
  readonly #copies: Uint8Array;

  constructor(file: ColumnFile) {
    this.#minutes = file.numbers('minute');
    this.#scheduledMs = file
      .texts('time_hour')
      .map(Date.parse)
      .map((hourMs, row) => hourMs + (this.#minutes[row] ?? 0) * MINUTE_MS);
    this.#months = file.numbers('month');
    this.#days = file.numbers('day');
    this.#hours = file.numbers('hour');
    this.#delays = file.numbers('dep_delay');
    this.#numbers = file.numbers('flight');
    this.#distances = file.numbers('distance');
    this.#carriers = file.texts('carrier');
    this.#tails = file.texts('tailnum');
    this.#origins = file.texts('origin');
    this.#destinations = file.texts('dest');
    this.#copies = this.#countCopies();
  }

  get length(): number {
    return this.#scheduledMs.length;
  }

  #countCopies(): Uint8Array {
    const copies = new Uint8Array(this.length);
    const seen = new Map<string, number>();
    let instantMs = Number.NaN;
    for (const [row, timeMs] of this.#scheduledMs.entries()) {
      // the flights are in the order of their schedule: those of the same name are near each other
      if (timeMs !== instantMs) seen.clear();
      instantMs = timeMs;
      const name = this.#name(row);
      const copy = (seen.get(name) ?? 0) + 1;
      seen.set(name, copy);
      copies[row] = copy;
    }
    return copies;
  }

  #name(row: number): string {
    const two = (value: number | undefined): string => String(value).padStart(2, '0');
    const day = `2013${two(this.#months[row])}${two(this.#days[row])}`;
    const time = `${two(this.#hours[row])}${two(this.#minutes[row])}`;
    return `${day}-${this.#carriers.at(row)}${this.#numbers[row]}-${this.#origins.at(row)}-${time}`;
  }

  #requestId(row: number): string {
    const copy = this.#copies[row] ?? 1;
    return copy === 1 ? this.#name(row) : `${this.#name(row)}-${copy}`;
  }

  /** One aircraft in so many, with all its flights; 1: all. */
  rows(sample: number): number[] {
    const all = Array.from({ length: this.length }, (_, row) => row);
    if (sample <= 1) return all;
    return all.filter((row) => {
      const aircraft = this.#tails.at(row) || this.#requestId(row);
      return (murmur2(Buffer.from(aircraft)) & 0x7fffffff) % sample === 0;
    });
  }

  isCancelled(row: number): boolean {
    return Number.isNaN(this.#delays[row]);
  }

  #scheduled(row: number): number {
    return this.#scheduledMs[row] ?? Number.NaN;
  }

  departedMs(row: number): number {
    return this.#scheduled(row) + (orNull(this.#delays[row]) ?? 0) * MINUTE_MS;
  }

  /** When the outcome is known: at the departure; for a cancelled flight six hours after the schedule. */
  knownMs(row: number): number {
    return this.isCancelled(row) ? this.#scheduled(row) + CANCELLED_KNOWN_MS : this.departedMs(row);
  }

  requestedMs(row: number): number {
    return this.#scheduled(row) - REQUEST_LEAD_MS;
  }

  event(kind: Exclude<Kind, 'weather'>, row: number): DemoEvent {
    if (kind === 'departure') return this.#departure(row);
    return kind === 'outcome' ? this.#outcome(row) : this.#request(row);
  }

  /** Carrier, flight, origin and destination, as departures and requests name them. */
  #route(row: number) {
    return {
      carrier: this.#carriers.at(row),
      flight: this.#numbers[row] ?? 0,
      origin: this.#origins.at(row),
      destination: this.#destinations.at(row),
      tail_number: this.#tails.at(row) || null,
      scheduled_at: this.#scheduled(row),
      distance: this.#distances[row] ?? 0,
    };
  }

  #departure(row: number): DemoEvent {
    const timeMs = this.departedMs(row);
    return {
      topic: DEMO_TOPICS.departures,
      eventTimeMs: timeMs,
      key: this.#tails.at(row) || this.#requestId(row),
      value: { departed_at: timeMs, ...this.#route(row), departure_delay: orNull(this.#delays[row]) ?? 0 },
    };
  }

  #outcome(row: number): DemoEvent {
    const [timeMs, requestId, delay] = [this.knownMs(row), this.#requestId(row), orNull(this.#delays[row])];
    return {
      topic: DEMO_TOPICS.outcomes,
      eventTimeMs: timeMs,
      key: requestId,
      value: {
        request_id: requestId,
        known_at: timeMs,
        label: delay === null || delay >= LATE_MINUTES ? 1 : 0,
        delay_minutes: delay,
      },
    };
  }

  #request(row: number): DemoEvent {
    const [timeMs, requestId] = [this.requestedMs(row), this.#requestId(row)];
    const day = new Date(Date.UTC(2013, (this.#months[row] ?? 1) - 1, this.#days[row] ?? 1));
    return {
      topic: DEMO_TOPICS.requests,
      eventTimeMs: timeMs,
      key: requestId,
      value: {
        request_id: requestId,
        requested_at: timeMs,
        ...this.#route(row),
        hour: this.#hours[row] ?? 0,
        minute: this.#minutes[row] ?? 0,
        weekday: ((day.getUTCDay() + 6) % 7) + 1,
      },
    };
  }
}
