// The engine on a simulated log, clock, network and disk: hundreds of runs, each from a seed, each with faults at any step.
// MILLRACE_TEST_SEED repeats one; `npx node test/soak/simulation.ts` goes through as many as there is time for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from './report.ts';
import { runSeed } from './run-seed.ts';
import { type MakeWorkload, WORKLOADS, crowdedWindows, floodedLedger } from './workloads.ts';

const SEEDS = 60;
/** for the newer ones: all of them together take about ten seconds */
const FEWER_SEEDS = 40;
const FEWER: ReadonlySet<string> = new Set(['joins', 'windowed', 'oversized rows', 'standbys', 'checkpoints']);
const FLOODED_SEEDS = 4;

const only = process.env['MILLRACE_TEST_SEED'];

async function runSeeds(workload: MakeWorkload, count: number): Promise<void> {
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
  for (const seed of seeds) {
    const result = await runSeed({ seed, workload });
    assert.ok(result.violation === null, describe(result));
  }
}

for (const [name, workload] of Object.entries(WORKLOADS))
  test(`${name}: nothing lost, nothing doubled, in order, state equal to its changelog`, () =>
    runSeeds(workload, FEWER.has(name) ? FEWER_SEEDS : SEEDS));

test('more than the engine queues, one partition after the other', () => runSeeds(floodedLedger, FLOODED_SEEDS));

test('more timers at one instant than a task takes at once', () => runSeeds(crowdedWindows, FLOODED_SEEDS));

test('the same seed gives the same run, step by step', async () => {
  for (const workload of Object.values(WORKLOADS)) {
    const [one, other] = [await runSeed({ seed: 7, workload }), await runSeed({ seed: 7, workload })];
    assert.equal(one.steps, other.steps);
    assert.equal(one.trace(1000), other.trace(1000));
  }
});
