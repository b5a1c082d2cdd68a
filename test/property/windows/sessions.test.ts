// Sessions against their definition: sort all accepted events, cut where the pause is longer than the gap.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sum } from '../../../streams/aggregates/sum.ts';
import { type Session, assignSession, finalSessions, joined } from '../../../streams/windows/sessions.ts';

function cut(timesMs: readonly number[], gapMs: number): Session[] {
  const sessions: Session[] = [];
  for (const timeMs of timesMs.toSorted((a, b) => a - b)) {
    const newest = sessions.at(-1);
    if (newest !== undefined && timeMs - newest.lastMs <= gapMs)
      sessions[sessions.length - 1] = { firstMs: newest.firstMs, lastMs: timeMs };
    else sessions.push({ firstMs: timeMs, lastMs: timeMs });
  }
  return sessions;
}

/** In the order of the log: many late, some too late. */
const timeline = fc.array(
  fc.record({ timeMs: fc.integer({ min: -50, max: 150 }), value: fc.integer({ min: -9, max: 9 }) }),
  { maxLength: 40, size: 'max' },
);
const gap = fc.integer({ min: 0, max: 15 });
const lateness = fc.integer({ min: 0, max: 60 });

test('whatever order events come in, the sessions are those of all accepted events; final ones may be let go', () => {
  fc.assert(
    fc.property(timeline, gap, lateness, (events, gapMs, latenessMs) => {
      const times = { gapMs, latenessMs };
      const accepted: number[] = [];
      let [kept, emitted]: [readonly Session[], Session[]] = [[], []];
      let watermarkMs = -Infinity;
      for (const { timeMs } of events) {
        const change = assignSession(kept, timeMs, watermarkMs, times);
        assert.equal(change.kind === 'too late', timeMs < watermarkMs - latenessMs);
        if (change.kind === 'joined') accepted.push(timeMs);
        kept = joined(kept, change);
        watermarkMs = Math.max(watermarkMs, timeMs);
        const final = finalSessions(kept, watermarkMs, times);
        emitted = [...emitted, ...kept.slice(0, final)];
        kept = kept.slice(final);
        assert.deepEqual([...emitted, ...kept], cut(accepted, gapMs));
      }
    }),
    { numRuns: 1000 },
  );
});

test('partial results follow their sessions: an event that bridges two makes one of both', () => {
  fc.assert(
    fc.property(timeline, gap, (events, gapMs) => {
      let sessions: readonly Session[] = [];
      let partials: Float64Array[] = [];
      for (const { timeMs, value } of events) {
        const change = assignSession(sessions, timeMs, 0, { gapMs, latenessMs: Infinity });
        assert.ok(change.kind === 'joined');
        const partial = new Float64Array(3);
        for (const part of partials.slice(change.from, change.from + change.count)) sum.fold(partial, 0, part, 0, 3, 1);
        sum.add(partial, 0, value, timeMs);
        sessions = joined(sessions, change);
        partials = partials.toSpliced(change.from, change.count, partial);
        assert.ok(change.count <= 2);
      }
      assert.equal(
        sessions.length,
        events.length === 0
          ? 0
          : cut(
              events.map(({ timeMs }) => timeMs),
              gapMs,
            ).length,
      );
      sessions.forEach(({ firstMs, lastMs }, at) => {
        const inside = events.filter(({ timeMs }) => timeMs >= firstMs && timeMs <= lastMs);
        assert.equal(
          sum.result(partials[at] ?? new Float64Array(3), 0, 0),
          inside.reduce((total, { value }) => total + value, 0),
        );
      });
    }),
  );
});

test('a session is final as soon as no accepted event can reach it, and no sooner', () => {
  fc.assert(
    fc.property(fc.integer({ min: -50, max: 50 }), gap, lateness, (watermarkMs, gapMs, latenessMs) => {
      const session = { firstMs: -10, lastMs: 0 };
      let reached = false;
      for (let timeMs = -100; timeMs <= 100; timeMs += 1) {
        const change = assignSession([session], timeMs, watermarkMs, { gapMs, latenessMs });
        reached ||= change.kind === 'joined' && change.count === 1;
      }
      assert.equal(finalSessions([session], watermarkMs, { gapMs, latenessMs }), reached ? 0 : 1);
    }),
    { numRuns: 500 },
  );
});
