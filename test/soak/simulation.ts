// The simulation for as many seeds as there is time for: `npx node test/soak/simulation.ts [FROM] [COUNT] [WORKLOAD]`.
import { describe } from '../simulation/report.ts';
import { runSeed } from '../simulation/run-seed.ts';
import { type MakeWorkload, WORKLOADS, anyWorkload, crowdedWindows, floodedLedger } from '../simulation/workloads.ts';

const REPORT_EVERY = 1000;

const [from = '1', count = '20000', name] = process.argv.slice(2);
const known: Readonly<Record<string, MakeWorkload>> = {
  ...WORKLOADS,
  'flooded ledger': floodedLedger,
  'crowded windows': crowdedWindows,
};
const workload = name === undefined ? anyWorkload : known[name];
if (workload === undefined) throw new Error(`There is no workload ${name}. Use: ${Object.keys(known).join(', ')}.`);
const startedMs = performance.now();
let failed = 0;
let steps = 0;
for (let done = 0; done < Number(count); done += 1) {
  const result = await runSeed({ seed: Number(from) + done, workload });
  steps += result.steps;
  if (result.violation !== null) {
    failed += 1;
    process.stdout.write(`${describe(result)}\n\n`);
  }
  if ((done + 1) % REPORT_EVERY === 0) {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    process.stdout.write(`${done + 1} seeds, ${steps} steps, ${failed} failed, ${seconds} s\n`);
  }
}
process.stdout.write(`${count} seeds from ${from}: ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
