// What the simulation has found in the engine: the seeds that found it, kept. Each was seen to fail again with its fix taken out; a
// change of what seeds draw (workloads, faults, noise) makes them say less, then seeds are to be looked for anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS } from './faults.ts';
import { describe } from './report.ts';
import { runSeed } from './run-seed.ts';
import { WORKLOADS } from './workloads.ts';

interface Found {
  readonly what: string;
  readonly seeds: readonly (readonly [workload: keyof typeof WORKLOADS, seed: number])[];
}

const FOUND: readonly Found[] = [
  {
    what: 'a task that could not be made was passed over, and nobody worked on its partitions',
    seeds: [
      ['ledger', 58],
      ['view', 91],
    ],
  },
  {
    what: 'a store that turned out to be damaged while it was used was met again at each start',
    seeds: [
      ['direct', 57],
      ['direct', 77],
    ],
  },
  {
    what: 'a store that stood beyond the end of its changelog was taken as it was',
    seeds: [
      ['view', 173],
      ['direct', 21],
    ],
  },
  {
    what: 'a refused record was set aside again after a restart when others before it were still waiting',
    seeds: [
      ['ledger', 9],
      ['disordered ledger', 4],
    ],
  },
  {
    what: 'the marks of a task that had moved did not speak of what its predecessor wrote',
    seeds: [
      ['ledger', 34],
      ['view', 233],
    ],
  },
  {
    what: 'what was polled for a task was given to its successor, and read by it again',
    seeds: [
      ['ledger', 63],
      ['ledger', 132],
    ],
  },
  {
    what: 'an assignment that came while an instance closed made tasks that nobody closed',
    seeds: [
      ['ledger', 332],
      ['direct', 249],
    ],
  },
  {
    what: 'a commit waited for a heartbeat that waited for the listener that waited for the commit',
    seeds: [['live ledger', 474]],
  },
  {
    what: 'a member whose heartbeat was answered and not heard never learned of its partitions',
    seeds: [['direct', 187]],
  },
  {
    what: 'a member that was thrown out joined again before its tasks were dropped, and its commit counted',
    seeds: [
      ['live ledger', 9],
      ['live ledger', 40],
    ],
  },
  {
    what: 'a row that was on its way to the local store was forgotten, and read there as it had been',
    seeds: [
      ['direct', 42],
      ['direct', 78],
    ],
  },
  {
    what: 'at least once, outputs that were sent ahead overtook those of a commit that also set records aside',
    seeds: [
      ['direct, at least once', 55],
      ['direct, at least once', 83],
    ],
  },
  {
    what: 'a timer that a record of the same instant had moved went off all the same',
    seeds: [
      ['declared', 4],
      ['declared', 8],
    ],
  },
];

for (const { what, seeds } of FOUND) {
  test(`found: ${what}`, async () => {
    for (const [workload, seed] of seeds) {
      const result = await runSeed({ seed, workload: WORKLOADS[workload], faults: FAULTS });
      assert.ok(result.violation === null, describe(result));
    }
  });
}
