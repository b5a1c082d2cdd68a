// Storm after storm, each with another seed, until the time is up: the values in the topics must be those of an undisturbed run,
// every time. `npm run test:soak`; MILLRACE_TEST_SOAK_MINUTES says how long (30), MILLRACE_TEST_SEED repeats a storm.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type DemoReport, Platform } from '../faults/platform.ts';
import { assertSame, calmDemo, stormyDemo } from '../faults/storm.ts';

const MINUTES = Number(process.env['MILLRACE_TEST_SOAK_MINUTES'] ?? 30);
const SEED = process.env['MILLRACE_TEST_SEED'];

describe('storms on the loop', () => {
  let calm: Platform;
  let calmReport: DemoReport;

  before(async () => {
    assert.ok(
      MINUTES > 0,
      `MILLRACE_TEST_SOAK_MINUTES is ${process.env['MILLRACE_TEST_SOAK_MINUTES'] ?? ''}: give minutes`,
    );
    calm = await Platform.make();
    calmReport = await calmDemo(calm);
  });
  after(() => calm.remove());

  it(`change nothing, for ${MINUTES} minutes`, async (context) => {
    const untilMs = performance.now() + MINUTES * 60_000;
    let storms = 0;
    for (; storms === 0 || performance.now() < untilMs; storms += 1) {
      const seed = storms === 0 && SEED !== undefined ? Number(SEED) : Math.floor(Math.random() * 100_000);
      const { report, killed } = await stormyDemo(seed);
      context.diagnostic(`storm ${storms + 1}, seed ${seed}: killed ${killed.join(', ')}`);
      assertSame(report, calmReport, seed);
    }
    context.diagnostic(`${storms} storms`);
  });
});
