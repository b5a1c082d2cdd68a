// The windows of one feature view for one entity, as a pure step from instant to instant.
//
// A window is (t − size, t]: an event at e counts from e on and leaves at exactly e + size, or, with a step, at the first
// multiple of the step from there on. Instants are applied in order; before an instant at t is applied, every instant at which
// an event leaves (nextExpiryMs) before t has been applied, so that each change of value has a row of its own.
import { type FeatureDefinition, type FeatureViewDefinition } from '../../schemas/definitions.ts';

export interface SourceEvent {
  readonly eventTimeMs: number;
  /** one per field of the compiled view; null where the event has none */
  readonly values: readonly (number | null)[];
  readonly sourcePartition: number;
  readonly sourceOffset: number;
}

export interface CompiledView {
  readonly definition: FeatureViewDefinition;
  /** source fields that the features need, each once */
  readonly fields: readonly string[];
  /** window sizes in ms, each once, ascending */
  readonly sizesMs: readonly number[];
  readonly features: readonly CompiledFeature[];
  /** (field, window) pairs whose sum is kept */
  readonly sums: readonly { readonly field: number; readonly window: number }[];
}

interface CompiledFeature {
  readonly function: FeatureDefinition['function'];
  readonly field: number;
  readonly window: number;
  /** place in `sums`, −1 where none is needed */
  readonly sum: number;
}

export interface EntityState {
  /** event times in order, with the values beside them; entries before `start` have left every window */
  times: number[];
  values: (number | null)[][];
  start: number;
  /** first entry inside each window */
  heads: number[];
  /** running sums and counts of non-null values, by `sums` */
  sums: number[];
  counts: number[];
  /** all values so far are integers of safe size: sums may be kept by adding and subtracting */
  exact: boolean;
  atMs: number;
  sourcePartition: number;
  sourceOffset: number;
  lastValues: (number | null)[] | null;
}

export interface FeatureRowValues {
  readonly values: readonly (number | null)[];
  /** when the next value leaves; null when nothing will */
  readonly validUntilMs: number | null;
  /** newest source event that entered */
  readonly sourcePartition: number;
  readonly sourceOffset: number;
}

/** Integers up to here add exactly, however many of a window's worth there are. */
const EXACT_MAX = 2 ** 31;
const NEVER_MS = -8.64e15;

export function compileView(definition: FeatureViewDefinition): CompiledView {
  const fields = [...new Set(definition.features.map((feature) => feature.field).filter((field) => field !== ''))];
  const sizesMs = [...new Set(definition.features.map((feature) => feature.window_ms))].sort((a, b) => a - b);
  const sums: { field: number; window: number }[] = [];
  const features = definition.features.map((feature) => {
    const field = fields.indexOf(feature.field);
    const window = sizesMs.indexOf(feature.window_ms);
    let sum = -1;
    if (feature.function === 'sum' || feature.function === 'mean') {
      sum = sums.findIndex((pair) => pair.field === field && pair.window === window);
      if (sum < 0) sum = sums.push({ field, window }) - 1;
    }
    return { function: feature.function, field, window, sum };
  });
  return { definition, fields, sizesMs, features, sums };
}

export function newState(view: CompiledView): EntityState {
  return {
    times: [],
    values: view.fields.map(() => []),
    start: 0,
    heads: view.sizesMs.map(() => 0),
    sums: view.sums.map(() => 0),
    counts: view.sums.map(() => 0),
    exact: true,
    atMs: NEVER_MS,
    sourcePartition: -1,
    sourceOffset: -1,
    lastValues: null,
  };
}

function leavesAtMs(view: CompiledView, eventTimeMs: number, sizeMs: number): number {
  const step = view.definition.step_ms;
  const leaves = eventTimeMs + sizeMs;
  return step === 0 ? leaves : Math.ceil(leaves / step) * step;
}

/** The next instant at which an event leaves a window; null when all are empty. */
export function nextExpiryMs(view: CompiledView, state: EntityState): number | null {
  let next: number | null = null;
  for (let window = 0; window < view.sizesMs.length; window += 1) {
    const first = state.times[state.heads[window] ?? 0];
    if (first === undefined) continue;
    const leaves = leavesAtMs(view, first, view.sizesMs[window] ?? 0);
    if (next === null || leaves < next) next = leaves;
  }
  return next;
}

/**
 * Applies all that happens at one instant: events leave, events enter (late ones at their place).
 * @param timeMs not before the last instant
 * @returns the row from this instant on, or null when nothing changed
 */
export function applyInstant(
  view: CompiledView,
  state: EntityState,
  timeMs: number,
  events: readonly SourceEvent[],
): FeatureRowValues | null {
  expire(view, state, timeMs);
  state.atMs = timeMs;
  for (const event of events) enter(view, state, event);
  compact(state);
  const values = valuesOf(view, state);
  const last = state.lastValues;
  const changed = last === null || values.some((value, index) => value !== last[index]);
  state.lastValues = values;
  if (events.length === 0 && !changed) return null;
  return {
    values,
    validUntilMs: view.definition.expiry === 'emit' ? nextExpiryMs(view, state) : null,
    sourcePartition: state.sourcePartition,
    sourceOffset: state.sourceOffset,
  };
}

function expire(view: CompiledView, state: EntityState, timeMs: number): void {
  for (let window = 0; window < view.sizesMs.length; window += 1) {
    const sizeMs = view.sizesMs[window] ?? 0;
    let head = state.heads[window] ?? 0;
    for (
      let time = state.times[head];
      time !== undefined && leavesAtMs(view, time, sizeMs) <= timeMs;
      time = state.times[head]
    ) {
      addToSums(view, state, head, window, -1);
      head += 1;
    }
    state.heads[window] = head;
  }
}

function addToSums(view: CompiledView, state: EntityState, entry: number, window: number, sign: 1 | -1): void {
  for (let index = 0; index < view.sums.length; index += 1) {
    const sum = view.sums[index];
    if (sum === undefined || sum.window !== window) continue;
    const value = state.values[sum.field]?.[entry] ?? null;
    if (value === null) continue;
    state.sums[index] = (state.sums[index] ?? 0) + sign * value;
    state.counts[index] = (state.counts[index] ?? 0) + sign;
  }
}

function enter(view: CompiledView, state: EntityState, event: SourceEvent): void {
  const largest = view.sizesMs[view.sizesMs.length - 1] ?? 0;
  state.sourcePartition = event.sourcePartition;
  state.sourceOffset = event.sourceOffset;
  if (leavesAtMs(view, event.eventTimeMs, largest) <= state.atMs) return;
  for (const value of event.values)
    if (value !== null && !(Number.isInteger(value) && Math.abs(value) < EXACT_MAX)) state.exact = false;
  const lastTime = state.times[state.times.length - 1];
  if (lastTime !== undefined && event.eventTimeMs < lastTime) {
    enterLate(view, state, event);
    return;
  }
  const entry = state.times.push(event.eventTimeMs) - 1;
  for (let field = 0; field < view.fields.length; field += 1) state.values[field]?.push(event.values[field] ?? null);
  for (let window = 0; window < view.sizesMs.length; window += 1) {
    // an event that is late for a small window only must not enter that one
    if (leavesAtMs(view, event.eventTimeMs, view.sizesMs[window] ?? 0) > state.atMs)
      addToSums(view, state, entry, window, 1);
    else state.heads[window] = entry + 1;
  }
}

function enterLate(view: CompiledView, state: EntityState, event: SourceEvent): void {
  let at = state.times.length;
  while (at > state.start && (state.times[at - 1] ?? 0) > event.eventTimeMs) at -= 1;
  state.times.splice(at, 0, event.eventTimeMs);
  for (let field = 0; field < view.fields.length; field += 1)
    state.values[field]?.splice(at, 0, event.values[field] ?? null);
  rebuild(view, state);
}

/** Heads, sums and counts anew from the entries. */
function rebuild(view: CompiledView, state: EntityState): void {
  state.sums = view.sums.map(() => 0);
  state.counts = view.sums.map(() => 0);
  for (let window = 0; window < view.sizesMs.length; window += 1) {
    const sizeMs = view.sizesMs[window] ?? 0;
    let head = state.start;
    while (head < state.times.length && leavesAtMs(view, state.times[head] ?? 0, sizeMs) <= state.atMs) head += 1;
    state.heads[window] = head;
    for (let entry = head; entry < state.times.length; entry += 1) addToSums(view, state, entry, window, 1);
  }
}

/** Lets go of entries that have left every window, a good many at a time. */
function compact(state: EntityState): void {
  state.start = Math.min(...state.heads);
  if (state.start === state.times.length || state.start > 512) {
    const gone = state.start;
    state.times = state.times.slice(gone);
    state.values = state.values.map((column) => column.slice(gone));
    state.heads = state.heads.map((head) => head - gone);
    state.start = 0;
  }
}

function valuesOf(view: CompiledView, state: EntityState): (number | null)[] {
  const values = new Array<number | null>(view.features.length);
  for (let index = 0; index < view.features.length; index += 1) {
    const feature = view.features[index];
    values[index] = feature === undefined ? null : valueOf(feature, state);
  }
  return values;
}

function valueOf(feature: CompiledFeature, state: EntityState): number | null {
  const head = state.heads[feature.window] ?? 0;
  switch (feature.function) {
    case 'count':
      return state.times.length - head;
    case 'sum':
      return (state.counts[feature.sum] ?? 0) === 0 ? null : sumOf(feature, state, head);
    case 'mean': {
      const count = state.counts[feature.sum] ?? 0;
      return count === 0 ? null : sumOf(feature, state, head) / count;
    }
    case 'min':
    case 'max':
      return extremeOf(feature, state, head);
    case 'last':
      return lastOf(feature, state, head);
    default: {
      const unknown: never = feature.function;
      throw new Error(`no window function ${String(unknown)}`);
    }
  }
}

// Adding and subtracting doubles drifts; only where all values are integers is the running sum the sum of the window.
function sumOf(feature: CompiledFeature, state: EntityState, head: number): number {
  if (state.exact) return state.sums[feature.sum] ?? 0;
  const column = state.values[feature.field] ?? [];
  let sum = 0;
  for (let entry = head; entry < column.length; entry += 1) sum += column[entry] ?? 0;
  return sum;
}

function extremeOf(feature: CompiledFeature, state: EntityState, head: number): number | null {
  const column = state.values[feature.field] ?? [];
  let extreme: number | null = null;
  for (let entry = head; entry < column.length; entry += 1) {
    const value = column[entry] ?? null;
    if (value === null) continue;
    if (extreme === null || (feature.function === 'min' ? value < extreme : value > extreme)) extreme = value;
  }
  return extreme;
}

function lastOf(feature: CompiledFeature, state: EntityState, head: number): number | null {
  const column = state.values[feature.field] ?? [];
  for (let entry = column.length - 1; entry >= head; entry -= 1) {
    const value = column[entry] ?? null;
    if (value !== null) return value;
  }
  return null;
}

// Layout: version u8 | exact u8 | source partition i32 | source offset f64 | at f64 | has last values u8 | last values f64 × features |
// count u32 | times f64 × count | values f64 × count for each field. NaN stands for null.
const VERSION = 1;
const FIXED_BYTES = 23;

/** Law: decodeState(encodeState(s)) behaves as s. */
export function encodeState(view: CompiledView, state: EntityState): Buffer {
  const count = state.times.length - state.start;
  const lastCount = state.lastValues === null ? 0 : view.features.length;
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + 8 * lastCount + 4 + 8 * count * (1 + view.fields.length));
  bytes[0] = VERSION;
  bytes[1] = state.exact ? 1 : 0;
  bytes.writeInt32LE(state.sourcePartition, 2);
  bytes.writeDoubleLE(state.sourceOffset, 6);
  bytes.writeDoubleLE(state.atMs, 14);
  bytes[22] = state.lastValues === null ? 0 : 1;
  let at = FIXED_BYTES;
  for (let index = 0; index < lastCount; index += 1)
    at = bytes.writeDoubleLE(state.lastValues?.[index] ?? Number.NaN, at);
  at = bytes.writeUInt32LE(count, at);
  for (let entry = state.start; entry < state.times.length; entry += 1)
    at = bytes.writeDoubleLE(state.times[entry] ?? 0, at);
  for (const column of state.values)
    for (let entry = state.start; entry < state.times.length; entry += 1)
      at = bytes.writeDoubleLE(column[entry] ?? Number.NaN, at);
  return bytes;
}

export function decodeState(view: CompiledView, bytes: Buffer): EntityState {
  if (bytes[0] !== VERSION) throw new Error(`window state of unknown version ${bytes[0]}`);
  const state = newState(view);
  state.exact = bytes[1] === 1;
  state.sourcePartition = bytes.readInt32LE(2);
  state.sourceOffset = bytes.readDoubleLE(6);
  state.atMs = bytes.readDoubleLE(14);
  let at = FIXED_BYTES;
  const next = (): number => {
    const value = bytes.readDoubleLE(at);
    at += 8;
    return value;
  };
  const nextOrNull = (): number | null => {
    const value = next();
    return Number.isNaN(value) ? null : value;
  };
  if (bytes[22] === 1) state.lastValues = view.features.map(nextOrNull);
  const count = bytes.readUInt32LE(at);
  at += 4;
  for (let entry = 0; entry < count; entry += 1) state.times.push(next());
  for (const column of state.values) for (let entry = 0; entry < count; entry += 1) column.push(nextOrNull());
  rebuild(view, state);
  return state;
}
