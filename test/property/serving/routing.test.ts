import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type RoutingArm, type RoutingChanged } from '../../../schemas/events.generated.ts';
import { Routing, shareOf } from '../../../serving/scoring/routing.ts';

const ENDPOINT = 'e';

/** Arms as the lifecycle makes them: a champion, in a canary a challenger that answers too, and shadows. */
const arms = fc
  .record({
    champion: fc.integer({ min: 1, max: 3 }),
    share: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    shadows: fc.array(fc.integer({ min: 4, max: 8 }), { maxLength: 2 }),
  })
  .map(({ champion, share, shadows }): RoutingArm[] => [
    { arm: 'champion', model: 'm', version: champion, purpose: 'live', share: 1 - (share ?? 0) },
    ...(share === null ? [] : [{ arm: 'challenger', model: 'm', version: 9, purpose: 'live', share }]),
    ...shadows.map((version) => ({ arm: 'reference', model: 'm', version, purpose: 'shadow', share: 1 })),
  ]);
const changes = fc.array(
  fc.record({ endpoint: fc.constantFrom(ENDPOINT, 'other'), from: fc.option(fc.nat({ max: 20 })), arms }),
  { maxLength: 8 },
);

function routed(list: readonly { endpoint: string; from: number | null; arms: RoutingArm[] }[]): Routing {
  const routing = new Routing(ENDPOINT);
  for (const { endpoint, from, arms: own } of list) {
    const value: RoutingChanged = { endpoint, effective_from: from, rollout_id: '', arms: own, reason: '' };
    routing.apply({ name: 'RoutingChanged', value });
  }
  return routing;
}

test('at every time the word that came last, of those that hold by then, counts', () => {
  fc.assert(
    fc.property(changes, fc.nat({ max: 25 }), (list, timeMs) => {
      const said = list.filter(({ endpoint, from }) => endpoint === ENDPOINT && (from ?? -Infinity) <= timeMs);
      assert.deepEqual(routed(list).armsAt(timeMs), said.at(-1)?.arms ?? []);
    }),
  );
});

test('one arm answers each request, and every other one scores it in shadow', () => {
  fc.assert(
    fc.property(changes, fc.nat({ max: 25 }), fc.string(), (list, timeMs, requestId) => {
      const routing = routed(list);
      const all = routing.armsAt(timeMs);
      const live = routing.live(timeMs, requestId);
      const shadow = routing.shadow(timeMs, requestId);
      if (live === null) assert.deepEqual(all, []);
      else {
        assert.equal(live.purpose, 'live');
        const canary = all.find(({ arm }) => arm === 'challenger');
        assert.equal(live.arm === 'challenger', canary !== undefined && shareOf(requestId) < canary.share);
      }
      assert.equal(shadow.length, all.length - (live === null ? 0 : 1));
      for (const arm of all) assert.ok(arm === live ? !shadow.includes(arm) : shadow.includes(arm));
    }),
  );
});

test('a request once given to the challenger stays there while its share grows', () => {
  fc.assert(
    fc.property(fc.string(), fc.double({ min: 0, max: 1 }), fc.double({ min: 0, max: 1 }), (requestId, a, b) => {
      const at = (share: number): string =>
        routed([
          {
            endpoint: ENDPOINT,
            from: null,
            arms: [
              { arm: 'champion', model: 'm', version: 1, purpose: 'live', share: 1 - share },
              { arm: 'challenger', model: 'm', version: 2, purpose: 'live', share },
            ],
          },
        ]).live(0, requestId)?.arm ?? '';
      if (a <= b && at(a) === 'challenger') assert.equal(at(b), 'challenger');
    }),
  );
});

test('shares of ids are spread evenly, however alike the ids are', () => {
  const BINS = 20;
  const IDS = 4000;
  // χ² with 19 degrees of freedom: above 75 once in some ten millions
  const LIMIT = 75;
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (prefix) => {
      const bins = new Array<number>(BINS).fill(0);
      for (let index = 0; index < IDS; index += 1) {
        const share = shareOf(`${prefix}${index}`);
        assert.ok(share >= 0 && share < 1, `${share}`);
        const bin = Math.floor(share * BINS);
        bins[bin] = (bins[bin] ?? 0) + 1;
      }
      const expected = IDS / BINS;
      const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      assert.ok(chiSquare < LIMIT, `χ² ${chiSquare} for ids ${JSON.stringify(prefix)}…`);
    }),
    { numRuns: 50 },
  );
});
