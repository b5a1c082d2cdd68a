// A failed run, for people: what was wrong, how to repeat it, and what happened last.
import { type RunResult } from './run-seed.ts';

const TRACE_LINES = 60;

export function describe({ seed, workload, steps, simulatedMs, violation, faults, trace }: RunResult): string {
  return [
    `${violation?.message ?? 'no violation'}`,
    `${workload}, after ${steps} steps and ${Math.round(simulatedMs)} ms; again with MILLRACE_TEST_SEED=${seed}`,
    `faults: ${faults.join(', ') || 'none'}`,
    trace(TRACE_LINES),
    violation?.stack ?? '',
  ].join('\n');
}
