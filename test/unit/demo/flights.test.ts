// The demo's events: as many as the data's note says, in order, each request with an id of its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { DEMO_TOPICS, type DemoEvents, FlightYear } from '../../../infra/demo/flights.ts';

const note = readFileSync(new URL('../../../infra/demo/data/README.md', import.meta.url), 'utf8');
const STEP = 5000;

function told(pattern: RegExp): number {
  return Number(pattern.exec(note)?.[1]?.replaceAll(',', ''));
}

describe('the flights of the demo', () => {
  let year: FlightYear;
  let events: DemoEvents;

  before(() => {
    year = new FlightYear();
    events = year.events({ sample: 1, fromMs: -8e15, untilMs: 8e15 });
  });

  it('are as many as the note of the data says, and every request has an id of its own', () => {
    const counts = new Map<string, number>();
    const ids = new Set<string>();
    for (let at = 0; at < events.length; at += STEP)
      for (const { topic, key } of events.slice(at, at + STEP)) {
        counts.set(topic, (counts.get(topic) ?? 0) + 1);
        if (topic === DEMO_TOPICS.requests) ids.add(key);
      }
    const flights = told(/([\d,]+) flights/);
    assert.equal(counts.get(DEMO_TOPICS.requests), flights);
    assert.equal(counts.get(DEMO_TOPICS.outcomes), flights);
    assert.equal(counts.get(DEMO_TOPICS.departures), flights - told(/\(([\d,]+) of them\)/));
    assert.equal(counts.get(DEMO_TOPICS.weather), told(/([\d,]+) observations/));
    assert.equal(ids.size, flights);
  });

  it('come in the order of their times, which each event carries', () => {
    for (let at = 1; at < events.length; at += 1) assert.ok((events.timeMs(at) ?? 0) >= (events.timeMs(at - 1) ?? 0));
    for (const [index, { eventTimeMs }] of events.slice(1000, 2000).entries())
      assert.equal(eventTimeMs, events.timeMs(1000 + index));
    assert.equal(events.timeMs(events.length), undefined);
  });

  it('can be sampled by aircraft and cut by time', () => {
    const [fromMs, untilMs] = [Date.parse('2013-02-01T00:00:00Z'), Date.parse('2013-02-03T00:00:00Z')];
    const slice = year.events({ sample: 8, fromMs, untilMs });
    const whole = year.events({ sample: 1, fromMs, untilMs });
    const keys = new Set(whole.slice(0, whole.length).map(({ topic, key }) => `${topic} ${key}`));
    const kept = slice.slice(0, slice.length);
    assert.ok(kept.length > 0 && kept.length < whole.length / 4);
    for (const { topic, key, eventTimeMs } of kept) {
      assert.ok(keys.has(`${topic} ${key}`));
      assert.ok(eventTimeMs >= fromMs && eventTimeMs < untilMs);
    }
  });
});
