// Headers on their way through a topology: what is made of a record carries the record's own, so that a trace goes on and a result can
// be followed back to what caused it (`causation`). Of a record without headers nothing is written, and nothing is done.
import { type Header, type LogRecord, partitionId } from '../log.ts';
import { type AddedHeaders, type SinkNode } from './graph.ts';

export const NO_HEADERS: readonly Header[] = [];

const CAUSATION = 'causation';
/** They say what the record itself is: what is made of it is something else. */
const OWN = /^(ce_.*|content-type|millrace-.*)$/;

export interface OutputOptions<T> {
  /** headers by name beside those that the input gives; one of the same name takes its place */
  readonly headers?: (value: T, key: string) => AddedHeaders;
}

export function addedBy<T>({ headers }: OutputOptions<T>): Pick<SinkNode, 'headersOf'> {
  return headers === undefined ? {} : { headersOf: (value, key) => headers(value as T, key) };
}

/** For an internal topic: all of the record's, and the place of the record of the source that it was. */
export function movedHeaders(record: LogRecord, isInternal: boolean): readonly Header[] {
  const { headers, offset } = record;
  if (headers.length === 0 || isInternal) return headers;
  return [
    ...headers.filter(({ key }) => key !== CAUSATION),
    { key: CAUSATION, value: Buffer.from(`${partitionId(record)}/${offset}`) },
  ];
}

/** For an output: those that were moved but for what says what the record itself is. @param added take the place of their namesakes */
export function outputHeaders(moved: readonly Header[], added?: AddedHeaders): readonly Header[] {
  if (moved.length === 0 && added === undefined) return NO_HEADERS;
  const passed = moved.filter(({ key }) => !OWN.test(key));
  if (added === undefined) return passed;
  const own = Object.entries(added).map(([key, value]) => ({ key, value: Buffer.from(value) }));
  return [...passed.filter(({ key }) => !Object.hasOwn(added, key)), ...own];
}

export function headersBytes(headers: readonly Header[]): number {
  return headers.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}
