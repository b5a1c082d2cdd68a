// Tens of thousands of seeds of the simulation, other ones each time: `npm run test:soak`. MILLRACE_TEST_SEEDS says how many (20,000),
// MILLRACE_TEST_SEED where they begin; test/soak/simulation.ts takes one workload alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from '../simulation/report.ts';
import { runSeed } from '../simulation/run-seed.ts';
import { anyWorkload } from '../simulation/workloads.ts';

const SEEDS = Number(process.env['MILLRACE_TEST_SEEDS'] ?? 20_000);
const FROM = Number(process.env['MILLRACE_TEST_SEED'] ?? 1_000_000 + Math.floor(Math.random() * 1_000_000_000));

test(`${SEEDS} seeds from ${FROM}: nothing lost, nothing doubled, in order, state equal to its changelog`, async () => {
  assert.ok(SEEDS > 0, `MILLRACE_TEST_SEEDS is ${process.env['MILLRACE_TEST_SEEDS'] ?? ''}: give a number of seeds`);
  for (let seed = FROM; seed < FROM + SEEDS; seed += 1) {
    const result = await runSeed({ seed, workload: anyWorkload });
    assert.ok(result.violation === null, describe(result));
  }
});
