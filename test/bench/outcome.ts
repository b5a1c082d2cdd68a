// What a benchmark is asked and what it answers: options in, runs and their medians out.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly quick: boolean;
  /** a data folder with a trained model, which is copied; null: one is made */
  readonly trained: string | null;
  /** where the outcome goes, JSON; null: to the screen only */
  readonly out: string | null;
  /** where a text profile goes; null: none is made */
  readonly profile: string | null;
  /** address of another server's v2 infer route for a LightGBM model with 30 inputs named x; null: none */
  readonly peer: string | null;
  readonly peerName: string;
}

export type Run = Readonly<Record<string, number>>;

export interface Outcome {
  /** what is measured and what is not, in sentences */
  readonly measures: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** by variant; each with its runs */
  readonly variants: Readonly<Record<string, readonly Run[]>>;
}

export function readOptions(): BenchOptions {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      trained: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
      peer: { type: 'string' },
      'peer-name': { type: 'string' },
    },
  });
  return {
    quick: values.quick === true,
    trained: values.trained ?? null,
    out: values.out ?? null,
    profile: values.profile ?? null,
    peer: values.peer ?? null,
    peerName: values['peer-name'] ?? 'peer',
  };
}

export function say(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** The middle value of each number that all runs have; of an even count the lower middle. */
export function medians(runs: readonly Run[]): Run {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const values = runs.map((run) => run[name] ?? Number.NaN).sort((a, b) => a - b);
      return [name, values[(values.length - 1) >> 1] ?? Number.NaN];
    }),
  );
}

/** Exact: the smallest value that at least this share of all values do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function tell(run: Run): string {
  return Object.entries(run)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

export function finish({ out }: BenchOptions, outcome: Outcome): void {
  const median = Object.fromEntries(Object.entries(outcome.variants).map(([name, runs]) => [name, medians(runs)]));
  for (const [name, run] of Object.entries(median)) say(`median of ${name}: ${tell(run)}`);
  if (out !== null) writeFileSync(out, `${JSON.stringify({ ...outcome, median }, null, 2)}\n`);
}
