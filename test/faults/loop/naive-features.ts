// The demo's features as a person would count them: from the raw file, with plain loops over all events of an entity. Shares
// nothing with the platform but the file and the rule which flights belong to the slice.
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { murmur2 } from '../../../streams/murmur2.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const WEATHER = {
  weather_temperature: 'temp',
  weather_wind_speed: 'wind_speed',
  weather_gust: 'wind_gust',
  weather_precipitation: 'precip',
  weather_pressure: 'pressure',
  weather_visibility: 'visib',
} as const;

/** Windows of count and mean delay, in hours, by what they are about. */
const WINDOWS = { origin: [1, 3, 24], carrier: [1, 3, 24], destination: [3, 24], tail: [3, 24] } as const;
type About = keyof typeof WINDOWS;

interface Departure {
  readonly timeMs: number;
  readonly delay: number;
}

interface Observation {
  readonly timeMs: number;
  readonly values: Readonly<Record<string, number | null>>;
}

export interface Keys {
  readonly requestedMs: number;
  readonly origin: string;
  readonly carrier: string;
  readonly destination: string;
  readonly tail: string | null;
}

function readColumns(name: string): Map<string, string[]> {
  const path = new URL(`../../../infra/demo/data/${name}.columns.br`, import.meta.url);
  const lines = brotliDecompressSync(readFileSync(path)).toString().split('\n');
  const columns = new Map<string, string[]>();
  for (let at = 0; at + 1 < lines.length; at += 2) columns.set(lines[at] ?? '', (lines[at + 1] ?? '').split(','));
  return columns;
}

function grouped<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const group = groups.get(key) ?? [];
  group.push(item);
  groups.set(key, group);
}

export class NaiveFeatures {
  readonly #departures: Readonly<Record<About, Map<string, Departure[]>>> = {
    origin: new Map(),
    carrier: new Map(),
    destination: new Map(),
    tail: new Map(),
  };
  readonly #weather = new Map<string, Observation[]>();
  /** requests of the slice by their time, as the raw file has them */
  readonly requestTimesMs: number[] = [];

  /**
   * @param sample one aircraft in so many is kept
   * @param untilMs nothing later is asked for
   */
  constructor(sample: number, untilMs: number) {
    this.#readFlights(readColumns('flights'), sample, untilMs);
    this.#readWeather(readColumns('weather'), untilMs);
  }

  #readFlights(columns: Map<string, string[]>, sample: number, untilMs: number): void {
    const value = (name: string, index: number): string => columns.get(name)?.[index] ?? '';
    for (const [index, hour] of (columns.get('time_hour') ?? []).entries()) {
      const tail = value('tailnum', index);
      // a flight without an aircraft is a cancelled one: it departs never, and is no part of the counted
      if (tail === '' || (murmur2(Buffer.from(tail)) & 0x7fffffff) % sample !== 0) continue;
      const scheduledMs = Date.parse(hour) + Number(value('minute', index)) * MINUTE_MS;
      this.requestTimesMs.push(scheduledMs - HOUR_MS);
      if (value('dep_delay', index) === '') continue;
      const delay = Number(value('dep_delay', index));
      const departure = { timeMs: scheduledMs + delay * MINUTE_MS, delay };
      if (departure.timeMs >= untilMs) continue;
      grouped(this.#departures.origin, value('origin', index), departure);
      grouped(this.#departures.carrier, value('carrier', index), departure);
      grouped(this.#departures.destination, value('dest', index), departure);
      grouped(this.#departures.tail, tail, departure);
    }
  }

  #readWeather(columns: Map<string, string[]>, untilMs: number): void {
    const seen = new Set<string>();
    for (const [index, hour] of (columns.get('time_hour') ?? []).entries()) {
      const origin = columns.get('origin')?.[index] ?? '';
      // of the hour that comes twice in autumn the first counts
      if (seen.has(`${origin} ${hour}`) || Date.parse(hour) >= untilMs) continue;
      seen.add(`${origin} ${hour}`);
      const values: Record<string, number | null> = {};
      for (const [feature, column] of Object.entries(WEATHER)) {
        const text = columns.get(column)?.[index] ?? '';
        values[feature] = text === '' ? null : Number(text);
      }
      grouped(this.#weather, origin, { timeMs: Date.parse(hour), values });
    }
  }

  /** Every feature as of a request. Of an entity that nothing has been heard of there is no row: all of its features are null. */
  of(keys: Keys): Map<string, number | null> {
    const features = new Map<string, number | null>();
    for (const about of Object.keys(WINDOWS) as About[]) {
      const before = (this.#departures[about].get(keys[about] ?? '') ?? []).filter(
        ({ timeMs }) => timeMs <= keys.requestedMs,
      );
      for (const hours of WINDOWS[about]) {
        let [count, sum] = [0, 0];
        for (const { timeMs, delay } of before) {
          if (timeMs <= keys.requestedMs - hours * HOUR_MS) continue;
          count += 1;
          sum += delay;
        }
        features.set(`${about}_count_${hours}h`, before.length === 0 ? null : count);
        features.set(`${about}_delay_mean_${hours}h`, count === 0 ? null : sum / count);
      }
    }
    const observations = (this.#weather.get(keys.origin) ?? []).filter(
      ({ timeMs }) => timeMs <= keys.requestedMs && timeMs > keys.requestedMs - 3 * HOUR_MS,
    );
    for (const name of Object.keys(WEATHER)) features.set(name, newest(observations, name));
    return features;
  }
}

function newest(observations: readonly Observation[], name: string): number | null {
  let found: Observation | null = null;
  for (const observation of observations)
    if (observation.values[name] !== null && (found === null || observation.timeMs > found.timeMs)) found = observation;
  return found?.values[name] ?? null;
}
