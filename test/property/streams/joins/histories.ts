// Random histories for joins, and a stand-in for the task that runs a step: per-key states and timers, a watermark, restarts.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Late, type Side, type Stepped } from '../../../../streams/joins/step.ts';

export interface Arrival {
  readonly side: Side;
  readonly key: string;
  readonly timeMs: number;
  readonly offset: number;
  readonly value: Buffer | null;
}

export type Happening =
  /** its time is told from the watermark as it is when it happens */
  | {
      readonly kind: 'arrive';
      readonly side: Side;
      readonly key: string;
      readonly fromWatermarkMs: number;
      readonly value: string | null;
    }
  /** something that came before comes again */
  | { readonly kind: 'repeat'; readonly back: number }
  /** jump: timers fire once the watermark is there, as after idle time; else each at its own time */
  | { readonly kind: 'advance'; readonly byMs: number; readonly jump: boolean }
  | { readonly kind: 'restart' };

export const KEYS = ['a', 'b', 'ü\0x'];

export function happenings(options: {
  readonly latenessMs: number;
  readonly tombstones: readonly Side[];
}): fc.Arbitrary<Happening[]> {
  const { latenessMs, tombstones } = options;
  const arrive = fc.record({
    kind: fc.constant('arrive' as const),
    side: fc.constantFrom<Side>('left', 'right'),
    key: fc.constantFrom(...KEYS),
    fromWatermarkMs: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 15 }) },
      { weight: 4, arbitrary: fc.integer({ min: -latenessMs, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: -latenessMs - 20, max: -latenessMs - 1 }) },
    ),
    // few values, so that equal ones come one after the other
    value: fc.option(fc.constantFrom('', 'x', 'y', 'z'), { freq: 4 }),
  });
  return fc.array(
    fc.oneof(
      {
        weight: 12,
        arbitrary: arrive.map((one) =>
          one.value === null && !tombstones.includes(one.side) ? { ...one, value: 'w' } : one,
        ),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat' as const), back: fc.nat(12) }) },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('advance' as const),
          byMs: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 60 })),
          jump: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
    ),
    { maxLength: 80, size: 'max' },
  );
}

export interface Run<S, O> {
  step(state: S | null, arrival: Arrival, watermarkMs: number): Stepped<S, O>;
  fire(state: S, watermarkMs: number): Stepped<S, O>;
  timerMs(state: S): number | null;
  readonly serde: { encode(state: S): Buffer; decode(bytes: Buffer): S };
  /** what came of each input, checked against an oracle; `arrival` null: a timer */
  seen(what: {
    readonly key: string;
    readonly arrival: Arrival | null;
    readonly watermarkMs: number;
    readonly outputs: readonly O[];
    readonly late: readonly Late[];
    readonly state: S | null;
  }): void;
}

const START_MS = 1_000;

/** Plays a history, then lets time run out. Gives the states that are left. */
export function play<S, O>(history: readonly Happening[], run: Run<S, O>, endMs: number): ReadonlyMap<string, S> {
  const states = new Map<string, S>();
  const timers = new Map<string, number>();
  const arrivals: Arrival[] = [];
  let watermarkMs = START_MS;

  const keep = (key: string, arrival: Arrival | null, stepped: Stepped<S, O>): void => {
    const { state, timerMs, outputs, late } = stepped;
    if (state === null) {
      states.delete(key);
      assert.equal(timerMs, null, 'no timer without a state');
    } else {
      states.set(key, state);
      assert.deepEqual(run.serde.decode(run.serde.encode(state)), state);
      assert.equal(timerMs, run.timerMs(state), 'a restored state wants the timer that its step wanted');
    }
    if (timerMs === null) timers.delete(key);
    else {
      assert.ok(timerMs > watermarkMs, 'a timer is never due already');
      timers.set(key, timerMs);
    }
    run.seen({ key, arrival, watermarkMs, outputs, late, state });
  };
  const take = (arrival: Arrival): void =>
    keep(arrival.key, arrival, run.step(states.get(arrival.key) ?? null, arrival, watermarkMs));
  const advance = (toMs: number, jump: boolean): void => {
    for (;;) {
      const [due] = [...timers].filter(([, atMs]) => atMs <= toMs).sort(([, a], [, b]) => a - b);
      if (due === undefined) break;
      watermarkMs = jump ? toMs : due[1];
      const state = states.get(due[0]);
      assert.ok(state !== undefined);
      keep(due[0], null, run.fire(state, watermarkMs));
    }
    watermarkMs = toMs;
  };

  for (const happening of history) {
    switch (happening.kind) {
      case 'arrive': {
        const { side, key, value } = happening;
        const timeMs = watermarkMs + happening.fromWatermarkMs;
        arrivals.push({
          side,
          key,
          timeMs,
          offset: arrivals.length,
          value: value === null ? null : Buffer.from(value),
        });
        take(arrivals[arrivals.length - 1] as Arrival);
        break;
      }
      case 'repeat': {
        const again = arrivals[arrivals.length - 1 - happening.back];
        if (again !== undefined) take(again);
        break;
      }
      case 'advance':
        advance(watermarkMs + happening.byMs, happening.jump);
        break;
      case 'restart':
        for (const [key, state] of states) states.set(key, run.serde.decode(run.serde.encode(state)));
        break;
    }
  }
  advance(watermarkMs + endMs, false);
  return states;
}

export function isBefore(a: { timeMs: number; offset: number }, b: { timeMs: number; offset: number }): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.offset < b.offset);
}

/** The newest by event time, then offset. */
export function newestOf<T extends { timeMs: number; offset: number }>(of: readonly T[]): T | null {
  return of.reduce<T | null>((best, one) => (best === null || isBefore(best, one) ? one : best), null);
}

export function textOf(side: { readonly offset: number } | null): string {
  return side === null ? '-' : String(side.offset);
}
