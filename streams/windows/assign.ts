// Which windows an event belongs to, by event time alone. Pure; times and durations in whole ms.
//
// Tumbling and hopping windows are [start, end), aligned to epoch 0 UTC, as elsewhere in the field: an event at the turn of an hour opens
// the new hour. Every tumbling window is a hopping one that advances by its size.
//
// Hopping windows of one size overlap: an event lies in size / advance of them, and so would be counted as often. Panes share the work.
// A pane is as wide as the greatest common divisor of size and advance, so that each window is a whole number of panes:
//
//   size 6, advance 4, pane 2     windows  ├─────────┤        [0, 6) = panes 0, 1, 2
//                                               ├─────────┤   [4, 10) = panes 2, 3, 4
//                                 panes    0 │ 1 │ 2 │ 3 │ 4
//
// Each event is added to the partial result of one pane; a window's result is the fold of its panes, oldest first. Where several sizes and
// advances are wanted over the same events, panes of the divisor of them all serve them all.
//
// A sliding window is (t − size, t], for each instant t: an event at e counts from e on and has left at exactly e + size.
//
// Lateness, for all of them: at watermark W an event before W − lateness is too late, and changes nothing any more. So a window is final
// once all its instants are before W − lateness, and no event that is still accepted can be missing from it.

/** [startMs, endMs) */
export interface TimeWindow {
  readonly startMs: number;
  readonly endMs: number;
}

export type Arrival = 'on time' | 'late' | 'too late';

/** @param watermarkMs all events before it were expected to have come */
export function arrivalOf(eventTimeMs: number, watermarkMs: number, latenessMs: number): Arrival {
  if (eventTimeMs >= watermarkMs) return 'on time';
  return eventTimeMs >= watermarkMs - latenessMs ? 'late' : 'too late';
}

/** Whether no event that is not too late lies in the window any more. */
export function isFinal({ endMs }: TimeWindow, watermarkMs: number, latenessMs: number): boolean {
  return endMs <= watermarkMs - latenessMs;
}

/** The one window of this size that holds the instant. */
export function tumblingWindow(timeMs: number, sizeMs: number): TimeWindow {
  const startMs = Math.floor(timeMs / sizeMs) * sizeMs;
  return { startMs, endMs: startMs + sizeMs };
}

/**
 * All windows that hold the instant, the earliest first: size / advance of them, rounded up or down. With an advance above the size there
 * are gaps between the windows, and none may hold it.
 */
export function hoppingWindows(timeMs: number, sizeMs: number, advanceMs: number): TimeWindow[] {
  const windows: TimeWindow[] = [];
  // starts are multiples of the advance in (time − size, time]
  for (let hop = Math.floor((timeMs - sizeMs) / advanceMs) + 1; hop * advanceMs <= timeMs; hop += 1)
    windows.push({ startMs: hop * advanceMs, endMs: hop * advanceMs + sizeMs });
  return windows;
}

/** Width of the panes that make up all windows of these sizes and advances. */
export function paneWidthMs(durationsMs: readonly number[]): number {
  return durationsMs.reduce(greatestCommonDivisor, 0);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Number of the pane that holds the instant: it is [pane × width, (pane + 1) × width). */
export function paneOf(timeMs: number, widthMs: number): number {
  return Math.floor(timeMs / widthMs);
}

/**
 * The panes of a window.
 * @param widthMs divides the window's start and end
 */
export function panesOf(
  { startMs, endMs }: TimeWindow,
  widthMs: number,
): { readonly first: number; readonly count: number } {
  return { first: startMs / widthMs, count: (endMs - startMs) / widthMs };
}

/** Whether the event is in the sliding window that ends at this instant. */
export function isInSlidingWindow(eventTimeMs: number, atMs: number, sizeMs: number): boolean {
  return eventTimeMs > atMs - sizeMs && eventTimeMs <= atMs;
}

/**
 * When the event leaves a sliding window: the first instant at which it does not count.
 * @param stepMs 0: exactly; otherwise the window's tail moves in steps, and the event leaves at the first multiple of the step from there on
 */
export function leavesAtMs(eventTimeMs: number, sizeMs: number, stepMs = 0): number {
  const exactMs = eventTimeMs + sizeMs;
  return stepMs === 0 ? exactMs : Math.ceil(exactMs / stepMs) * stepMs;
}
