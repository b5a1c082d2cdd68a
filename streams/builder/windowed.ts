// Windows of a stream as a keyed step: events go into the row of their key, a timer closes each window by event time and gives its result.
import { Failure } from '../../schemas/failure.ts';
import { type Fields, invalid } from '../../schemas/reading.ts';
import { AlignedWindows } from '../windows/aligned-windows.ts';
import { paneWidthMs } from '../windows/assign.ts';
import { BoxedPartials } from '../windows/boxed-partials.ts';
import { type BoxedRow, type BoxedWindows, EMPTY_ROW, boxedRowFormat } from '../windows/boxed-row.ts';
import { SessionWindows } from '../windows/session-windows.ts';
import { SlidingWindows } from '../windows/sliding-windows.ts';
import { type FeatureValues, type Features } from './features.ts';
import { type Format } from './format.ts';
import { type KeyedContext } from './graph.ts';
import { optionsOf } from './options.ts';
import { readFeatures } from './read-features.ts';

export type WindowKind =
  /** ends once there was no event for longer than the gap */
  | { readonly kind: 'session'; readonly gap: string }
  | { readonly kind: 'tumbling'; readonly size: string }
  | { readonly kind: 'hopping'; readonly size: string; readonly advance: string }
  /** (t − size, t], for each instant t at which it changes */
  | {
      readonly kind: 'sliding';
      readonly size: string;
      /** events leave at multiples of it; `0s`: exactly; a sixtieth of the size unless given, and `0s` where that is no whole ms */
      readonly step?: string;
      /** `none`: no result when an event leaves; `emit` unless given */
      readonly expiry?: 'emit' | 'none';
    };

export interface WindowedDeclaration<T = unknown, F extends Features<T> = Features<T>> {
  readonly windows: WindowKind;
  /**
   * How far behind the task's event time an event may still count; a window stays open for so long after its end. Later ones go to the
   * dead letters (`too_late`). No default: it must cover how far the partitions that a task reads are apart.
   */
  readonly lateness: string;
  readonly features: F;
}

/** One closed window of one key. Only windows with events are closed, and a sliding one when its last event leaves. */
export interface WindowResult<F extends Features<unknown> = Features<unknown>> {
  readonly key: string;
  /** a session's first event; a sliding window begins after it */
  readonly startMs: number;
  /** the first instant after the window; a session's last event; a sliding window's last instant */
  readonly endMs: number;
  readonly values: FeatureValues<F>;
}

export interface WindowStep<F extends Features<unknown>> {
  readonly state: Format<BoxedRow>;
  /** sessions, or panes, that are open, with their values so far */
  show(row: BoxedRow): unknown;
  each(value: unknown, context: KeyedContext<BoxedRow, WindowResult<F>>): void;
  timer(context: KeyedContext<BoxedRow, WindowResult<F>>): void;
}

/** All panes of a key are one record of the changelog. */
const PANES_MAX = 1000;

/** @throws Failure `invalid_definition`, naming the field */
export function windowStep<T, F extends Features<T>>(
  name: string,
  declaration: WindowedDeclaration<T, F>,
): WindowStep<F> {
  const path = `windowed ${name}:`;
  const fields = optionsOf(path, declaration, ['windows', 'lateness', 'features']);
  const features = readFeatures(path, fields);
  const partials = new BoxedPartials(features);
  const windows = readWindows(path, fields, partials);
  return {
    state: boxedRowFormat(partials),
    show: ({ entries }) =>
      entries.map(({ firstMs, lastMs, partials: kept }) => ({
        firstMs,
        lastMs,
        values: partials.values(kept, lastMs),
      })),
    each: (value, { state = EMPTY_ROW, timeMs, eventTimeMs, setState, setTimer }) => {
      const row = windows.add(state, value, eventTimeMs, timeMs);
      if (row === null) throw tooLate(eventTimeMs, timeMs, windows.latenessMs);
      if (row === state) return;
      setState(row);
      setTimer(windows.nextCloseMs(row));
    },
    timer: ({ key, state = EMPTY_ROW, timeMs, setState, setTimer, emit }) => {
      const { row, closed } = windows.close(state, timeMs);
      for (const { startMs, endMs, partials: kept } of closed)
        emit({ key, startMs, endMs, values: partials.values(kept, endMs) as FeatureValues<F> });
      setState(row.entries.length === 0 ? undefined : row);
      setTimer(windows.nextCloseMs(row));
    },
  };
}

function readWindows(path: string, declared: Fields, partials: BoxedPartials): BoxedWindows {
  const latenessMs = declared.durationMs('lateness');
  const fields = declared.fields('windows');
  const kind = fields.choice('kind', ['session', 'tumbling', 'hopping', 'sliding']);
  if (kind === 'session') {
    const gapMs = positive(fields, 'gap');
    fields.end();
    return new SessionWindows(partials, { gapMs, latenessMs });
  }
  const sizeMs = positive(fields, 'size');
  if (kind === 'sliding') return slidingWindows(fields, partials, sizeMs, latenessMs);
  const advanceMs = kind === 'tumbling' ? sizeMs : positive(fields, 'advance');
  fields.end();
  const panes = Math.ceil((sizeMs + latenessMs) / paneWidthMs([sizeMs, advanceMs]));
  if (panes > PANES_MAX)
    throw invalid(
      `${path} windows.${kind === 'tumbling' ? 'size' : 'advance'}`,
      `would keep ${panes} panes per key.`,
      `Stay below ${PANES_MAX}: (size + lateness) / the greatest common divisor of size and advance.`,
    );
  return new AlignedWindows(partials, { sizeMs, advanceMs, latenessMs });
}

function slidingWindows(fields: Fields, partials: BoxedPartials, sizeMs: number, latenessMs: number): BoxedWindows {
  const sixtiethMs = sizeMs / 60;
  const stepMs = fields.durationMs('step', Number.isInteger(sixtiethMs) ? sixtiethMs : 0);
  const isExpiryTold = fields.choice('expiry', ['emit', 'none'], 'emit') === 'emit';
  fields.end();
  if (stepMs > 0 && sizeMs / stepMs > PANES_MAX)
    throw invalid(fields.at('step'), `is too small: ${sizeMs / stepMs} to a window.`, `Stay below ${PANES_MAX}.`);
  return new SlidingWindows(partials, { sizeMs, stepMs, isExpiryTold, latenessMs });
}

function positive(fields: Fields, name: string): number {
  const durationMs = fields.durationMs(name);
  if (durationMs <= 0) throw invalid(fields.at(name), 'is not longer than nothing.', 'Give a duration such as 30m.');
  return durationMs;
}

function tooLate(eventTimeMs: number, timeMs: number, latenessMs: number): Failure {
  return new Failure(
    'too_late',
    `The event of ${new Date(eventTimeMs).toISOString()} came ${timeMs - eventTimeMs} ms behind the task's time, more than ${latenessMs} ms.`,
    { fix: 'Raise the lateness if such events should still count.' },
  );
}
