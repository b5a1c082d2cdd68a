// What counts as an event time: whole epoch milliseconds that every part can hold (Kafka's timestamps begin in 1970, ClickHouse's
// DateTime64(3) ends with 2299). One wrong unit would else carry every window and every merge centuries ahead.

import { Failure } from './failure.ts';

const FIRST_MS = 0;
const LAST_MS = 10_413_791_999_999;

export const EVENT_TIME_FIX = 'Give whole epoch milliseconds from 1970 to 2299; microseconds are the usual mistake.';

export function isEventTime(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= FIRST_MS && (value as number) <= LAST_MS;
}

/** @param field absent: the record's own timestamp, or what a topology reads */
export function noEventTime(value: unknown, field?: string): Failure {
  const told = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return new Failure('invalid_field', `${field ?? 'The event time'} is ${told ?? 'missing'}, no event time.`, {
    ...(field === undefined ? {} : { field }),
    fix: EVENT_TIME_FIX,
  });
}
