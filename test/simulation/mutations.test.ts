// An engine that is wrong must be noticed: each mutation stands between the right engine and its ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DECLARED_MUTATIONS } from './declared-mutations.ts';
import { type Mutation } from './instance.ts';
import { MUTATIONS } from './mutations.ts';
import { runSeed } from './run-seed.ts';
import { type MakeWorkload, WORKLOADS } from './workloads.ts';

/** Most are found by the first ten. */
const SEEDS_MAX = 150;
/** An output or a state that is not as it should be; a run that only gets stuck would be found for another reason. */
const MISMATCH = /\n {2}wanted /;

// what holds at least once only is broken by less
const exactly: MakeWorkload = (random, startMs) => {
  const make = random.pick([WORKLOADS.ledger, WORKLOADS.view, WORKLOADS.direct]) ?? WORKLOADS.ledger;
  return make(random, startMs);
};

async function requireNoticed(workload: MakeWorkload, make: () => Mutation): Promise<void> {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const { violation } = await runSeed({ seed, workload, mutation: make() });
    if (violation === null) continue;
    assert.match(violation.message, MISMATCH, `seed ${seed}`);
    return;
  }
  assert.fail(`${SEEDS_MAX} seeds found nothing wrong`);
}

for (const make of MUTATIONS) test(`is noticed: ${make().name}`, () => requireNoticed(exactly, make));

for (const { workload, make } of DECLARED_MUTATIONS)
  test(`is noticed by ${workload}: ${make().name}`, () => requireNoticed(WORKLOADS[workload], make));
