// `npm test`: types, lint, format, then the suites; the last line is `N passed, N failed`.
// `npm test -- unit property` runs only the suites (and checks) that are named; `soak`, which takes half an hour, only then.
import { spawn } from 'node:child_process';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromiumMissing, provideChromium } from './chromium.ts';
import { TestProcesses } from './test-processes.ts';

const root = new URL('../../', import.meta.url).pathname;

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

interface Suite {
  readonly name: string;
  readonly concurrency: number;
  /** instead of TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/** A test, or a file of tests, that takes longer hangs: it has failed, and the others go on. */
const TIMEOUT_MS = 600_000;
/** For Node to end what runs too long; whoever does not end then is ended from here. */
const SUITE_TIMEOUT_MS = 1_500_000;

/** In the order in which a mistake is found soonest. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  types: ['tsc', '--noEmit', '-p', '.'],
  lint: ['eslint', '.', '--max-warnings', '0'],
  format: ['prettier', '--check', '--log-level', 'warn', '**/*.ts'],
};
/** Each file of these has its own process; those that start brokers or browsers run one at a time. */
const SUITES: readonly Suite[] = [
  { name: 'unit', concurrency: 2 },
  { name: 'property', concurrency: 2 },
  { name: 'golden', concurrency: 2 },
  { name: 'simulation', concurrency: 2 },
  { name: 'contract', concurrency: 2 },
  { name: 'integration', concurrency: 1 },
  { name: 'browser', concurrency: 1 },
  { name: 'faults', concurrency: 1 },
  { name: 'soak', concurrency: 1, timeoutMs: 10_800_000 },
];
const ONLY_WHEN_NAMED: readonly string[] = ['soak'];

interface Ended {
  readonly code: number;
  readonly text: string;
}

function run(
  args: readonly string[],
  { quiet, environment = {} }: { readonly quiet: boolean; readonly environment?: Readonly<Record<string, string>> },
): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      if (!quiet) process.stdout.write(chunk);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', () => resolve({ code: 1, text }));
    child.once('exit', (code) => resolve({ code: code ?? 1, text }));
  });
}

async function check(name: string, [tool = '', ...args]: readonly string[]): Promise<Outcome> {
  const { code, text } = await run([toolPath(tool), ...args], { quiet: true });
  process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name}\n${code === 0 ? '' : text}`);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function toolPath(tool: string): string {
  const paths: Readonly<Record<string, string>> = {
    tsc: 'typescript/bin/tsc',
    eslint: 'eslint/bin/eslint.js',
    prettier: 'prettier/bin/prettier.cjs',
  };
  return join(root, 'node_modules', paths[tool] ?? tool);
}

async function suite({ name, concurrency, timeoutMs = TIMEOUT_MS }: Suite): Promise<Outcome> {
  const files = globSync(`test/${name}/**/*.test.ts`, { cwd: root }).sort();
  if (files.length === 0) return { passed: 0, failed: 0 };
  process.stdout.write(`\n${name}: ${files.length} files\n`);
  // a suite that cannot run has failed: a silent skip would look like a pass
  if (name === 'browser' && !provideChromium(process.env, (text) => process.stdout.write(`${text}\n`))) {
    process.stdout.write(`✖ browser: not run. ${chromiumMissing(process.env)}\n`);
    return { passed: 0, failed: 1 };
  }
  const processes = new TestProcesses();
  const watchdog = setTimeout(
    () => {
      process.stdout.write(`✖ ${name} hangs: what runs of it is ended\n`);
      void processes.end(0);
    },
    Math.max(SUITE_TIMEOUT_MS, timeoutMs),
  );
  const { code, text } = await run(
    [
      ...['--test', `--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`, '--test-reporter=spec'],
      ...files,
    ],
    { quiet: false, environment: processes.environment },
  );
  clearTimeout(watchdog);
  const left = await processes.end();
  for (const { pid, command } of left) process.stdout.write(`✖ ${name} left a process behind: ${pid} ${command}\n`);
  const count = (what: string): number => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  return { passed: count('pass'), failed: (code !== 0 && failed === 0 ? 1 : failed) + (left.length > 0 ? 1 : 0) };
}

const wanted = process.argv.slice(2);
const known = [...Object.keys(CHECKS), ...SUITES.map(({ name }) => name)];
if (wanted.includes('--help')) {
  process.stdout.write(
    `npm test [-- NAME…]\n\n  all but ${ONLY_WHEN_NAMED.join(', ')}; or only the named: ${known.join(', ')}\n`,
  );
  process.exit(0);
}
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`There is no suite ${unknown}. Use: ${known.join(', ')}.\n`);
  process.exit(2);
}
if (!existsSync(join(root, 'test')) || readdirSync(join(root, 'test')).length === 0)
  throw new Error('There are no tests.');
const isWanted = (name: string): boolean =>
  wanted.length === 0 ? !ONLY_WHEN_NAMED.includes(name) : wanted.includes(name);
const outcomes: Outcome[] = [];
for (const [name, command] of Object.entries(CHECKS)) if (isWanted(name)) outcomes.push(await check(name, command));
for (const one of SUITES) if (isWanted(one.name)) outcomes.push(await suite(one));
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
