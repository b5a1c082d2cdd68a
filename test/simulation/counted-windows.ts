// Windows over one number of each event, processed directly; and, told by going through the events one by one, what comes out.
import { count } from '../../streams/aggregates/count.ts';
import { max } from '../../streams/aggregates/extremes.ts';
import { sum } from '../../streams/aggregates/sum.ts';
import { type DirectSubTopology } from '../../streams/direct.ts';
import { JsonFieldReader } from '../../streams/fields/json-fields.ts';
import { JsonRowWriter } from '../../streams/fields/json-row.ts';
import { windowStage } from '../../streams/windows/window-processor.ts';

const STEP_MS = 100;
const SIZES_MS = [100, 500, 2000] as const;
const LATENESS_MS = 300;

export interface CountedEvent {
  readonly number: number;
  readonly key: string;
  readonly timeMs: number;
  readonly amount: number;
  readonly partition: number;
  /** no value that could be read */
  readonly malformed?: boolean;
}

export interface WindowsOptions {
  readonly input: string;
  readonly output: string;
  readonly partitions: number;
  /** field of the event time; null: the record's timestamp */
  readonly time: string | null;
  readonly value: string;
}

/** Its store is called `windows`. */
export function windowsStage({ input, output, partitions, time, value }: WindowsOptions): DirectSubTopology {
  const feature = (name: string, aggregate: typeof count, field: number) =>
    SIZES_MS.map((sizeMs) => ({ name: `${name}_${sizeMs}`, aggregate, field, sizeMs }));
  const fields = ['number', value, ...(time === null ? [] : [time])];
  return windowStage({
    name: 'windows',
    source: {
      topic: input,
      reader: new JsonFieldReader(fields.map((name) => ({ name, optional: false }))),
      timeField: time === null ? -1 : fields.indexOf(time),
    },
    windows: {
      stepMs: STEP_MS,
      latenessMs: LATENESS_MS,
      features: [...feature('count', count, -1), ...feature('sum', sum, 1), ...feature('max', max, 1)],
    },
    output: {
      ...{ topic: output, partitions, isCopartitioned: true },
      writer: new JsonRowWriter([
        { name: 'number', of: 'field', index: 0, nulls: false },
        { name: 'key', of: 'key' },
        ...['count', 'sum', 'max'].flatMap((name, group) =>
          SIZES_MS.map((size, window) => ({
            ...{ name: `${name}_${size}`, of: 'value' as const },
            index: group * SIZES_MS.length + window,
          })),
        ),
      ]),
    },
  });
}

/**
 * Event by event: unreadable, too late, or counted, with the windows that end in its own pane.
 * @param events of each partition in the order of their offsets
 */
export function expectedWindows(
  input: string,
  events: readonly CountedEvent[],
): { readonly rows: Map<string, string[]>; readonly letters: Map<string, string[]> } {
  const rows = new Map<string, string[]>();
  const letters = new Map<string, string[]>();
  const counted = new Map<string, CountedEvent[]>();
  const offsets = new Map<number, number>();
  for (const event of events) {
    const offset = offsets.get(event.partition) ?? 0;
    offsets.set(event.partition, offset + 1);
    if (event.malformed === true) {
      letters.set(`${input}/${event.partition}/${offset}`, ['decode']);
      continue;
    }
    const before = counted.get(event.key) ?? [];
    if (event.timeMs < Math.max(...before.map(({ timeMs }) => timeMs)) - LATENESS_MS) {
      letters.set(`${input}/${event.partition}/${offset}`, ['process']);
      continue;
    }
    const now = [...before, event];
    counted.set(event.key, now);
    const part = `partition ${event.partition}`;
    rows.set(part, [...(rows.get(part) ?? []), rowOf(event, now)]);
  }
  return { rows, letters };
}

function paneOf({ timeMs }: CountedEvent): number {
  return Math.floor(timeMs / STEP_MS);
}

function rowOf(event: CountedEvent, counted: readonly CountedEvent[]): string {
  const { number, key } = event;
  const own = paneOf(event);
  const values = (name: string, fold: (amounts: number[]) => number): object =>
    Object.fromEntries(
      SIZES_MS.map((size) => {
        const inside = counted.filter((one) => paneOf(one) <= own && paneOf(one) > own - size / STEP_MS);
        return [`${name}_${size}`, fold(inside.map(({ amount }) => amount))];
      }),
    );
  return JSON.stringify({
    ...{ number, key },
    ...values('count', (amounts) => amounts.length),
    ...values('sum', (amounts) => amounts.reduce((one, other) => one + other, 0)),
    ...values('max', (amounts) => Math.max(...amounts)),
  });
}
