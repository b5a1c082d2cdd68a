// A demo on a slice of the flights, undisturbed or while its processes are killed one after the other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DemoReport, Platform } from './platform.ts';

export const UNTIL = '2013-04-24';
/** `--quick` keeps one aircraft in so many. */
export const QUICK_SAMPLE = 8;
const WITHIN_MS = 240_000;
const UP_WITHIN_MS = 120_000;
const STATUS_WITHIN_MS = 30_000;
/** Killed once each, in an order drawn from the seed; so many at least before the end. */
const VICTIMS = [
  'features-1',
  'scoring-0',
  'lifecycle',
  'analytics',
  'monitoring',
  'kafka',
  'shadow',
  'clickhouse',
  'gateway',
  'features-3',
];
const KILLED_LEAST = 5;

function demoArguments(report: string): string[] {
  return ['demo', '--quick', '--until', UNTIL, '--report', report];
}

function readReport(path: string): DemoReport {
  return JSON.parse(readFileSync(path, 'utf8')) as DemoReport;
}

/** To the end of the slice, undisturbed; then it stays up. */
export async function standingDemo(platform: Platform): Promise<DemoReport> {
  const report = join(platform.folder, 'report.json');
  platform.start(demoArguments(report));
  await platform.says(/The platform stays up/, WITHIN_MS);
  return readReport(report);
}

/** To its end, undisturbed. */
export async function calmDemo(platform: Platform): Promise<DemoReport> {
  const report = join(platform.folder, 'report.json');
  const { code, text } = await platform.run([...demoArguments(report), '--once'], WITHIN_MS);
  assert.equal(code, 0, text);
  return readReport(report);
}

export function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface Storm {
  readonly report: DemoReport;
  readonly killed: readonly string[];
}

/** With four feature workers and two scorers, every process killed once at an instant drawn from the seed. */
export async function stormyDemo(seed: number): Promise<Storm> {
  const random = drawn(seed);
  const platform = await Platform.make({ MILLRACE_FEATURE_WORKERS: '4', MILLRACE_SCORING_WORKERS: '2' });
  try {
    const path = join(platform.folder, 'report.json');
    const child = platform.start([...demoArguments(path), '--once']);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await platform.says(/definitions applied/, UP_WITHIN_MS);
    const killed: string[] = [];
    for (const name of [...VICTIMS].sort(() => random() - 0.5)) {
      await new Promise((resolve) => setTimeout(resolve, 1500 + random() * 3000));
      const pid = platform.processes().get(name);
      if (pid === undefined || child.exitCode !== null) break;
      process.kill(pid, 'SIGKILL');
      killed.push(name);
    }
    assert.ok(killed.length >= KILLED_LEAST, `seed ${seed}: only ${killed.length} were killed before the end`);
    let stood: string | null = null;
    const overdue = setTimeout(() => {
      void platform.command(['status'], STATUS_WITHIN_MS).then(({ text }) => {
        stood = text;
        child.kill('SIGTERM');
      });
    }, WITHIN_MS);
    const code = await ended;
    clearTimeout(overdue);
    assert.equal(code, 0, `seed ${seed}, killed ${killed.join(', ')}:\n${platform.output}`);
    assert.equal(
      stood,
      null,
      `seed ${seed}, killed ${killed.join(', ')}: it stood still\n${platform.output}\n${stood}`,
    );
    return { report: readReport(path), killed };
  } finally {
    await platform.remove();
  }
}

/** Nothing lost, doubled or different. */
export function assertSame(stormy: DemoReport, calm: DemoReport, seed: number): void {
  assert.deepEqual(stormy.counts, calm.counts, `seed ${seed}`);
  assert.deepEqual(stormy.digests, calm.digests, `seed ${seed}`);
  assert.deepEqual(stormy.dead_letters, calm.dead_letters, `seed ${seed}`);
}
