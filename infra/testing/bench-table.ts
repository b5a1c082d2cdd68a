// `node infra/testing/bench-table.ts`: the README's benchmarks, written anew from test/bench/results. The benchmarks' runner does it
// too; a test checks that the two agree.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const BENCHES = [
  'features',
  'scoring',
  'scoring-latency',
  'http',
  'aggregates',
  'feature-job',
  'feature-latency',
  'feature-growth',
  'feature-limits',
  'recovery',
  'merged-state',
] as const;

const [BEGIN, END] = ['<!-- benchmarks: written by infra/testing/bench-table.ts -->', '<!-- /benchmarks -->'];

interface BenchFile {
  readonly name: string;
  readonly date: string;
  readonly commit: string;
  readonly changed_since_commit: boolean;
  readonly note: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory_gb: number;
    readonly kernel: string;
    readonly node: string;
  };
  readonly measures: string;
  readonly variants: Readonly<Record<string, readonly unknown[]>>;
  readonly median: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What of a run is told, in words; `#` is the number. */
const TOLD: Readonly<Record<string, string>> = {
  events_per_s: '**# events/s**',
  requests_per_s: '**# requests/s**',
  p50_ms: '**p50 # ms**',
  p99_ms: '**p99 # ms**',
  p999_ms: 'p99.9 # ms',
  cpu_s_per_million: '# CPU s per million',
  us_per_event: '**# µs per event**',
  cpu_us_per_event: '# µs of CPU',
  gateway_cpu_ms_per_request: '# CPU ms per request',
  restart_to_work_s: '**# s** from the restart to work',
  changelog_records_per_s: '# changelog records/s',
  mb_per_s: '# MB/s',
  peak_rss_mb: '# MB at most',
};

export function benchTable(root: string): string {
  const folder = join(root, 'test/bench/results');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BenchFile);
  const rows = files.flatMap(({ name, median, variants, date, commit }) =>
    Object.entries(median).flatMap(([variant, run]) => {
      const told = Object.keys(run)
        .filter((key) => TOLD[key] !== undefined)
        .map((key) => (TOLD[key] ?? '').replace('#', (run[key] ?? 0).toLocaleString('en-US')));
      const what = variant === name ? name : `${name}, ${variant.replaceAll('_', ' ')}`;
      const when = `${date.slice(0, 10)} | \`${commit}\``;
      return told.length === 0
        ? []
        : [`| ${what} | ${told.join(', ')} | ${variants[variant]?.length ?? 0} | ${when} |`];
    }),
  );
  const notes = files.map(({ name, measures, machine, changed_since_commit, date, commit }) => {
    const { cpu, cores, memory_gb, kernel, node } = machine;
    const changed = changed_since_commit ? ', with changes that were committed after it' : '';
    const listed = rows.some((row) => row.startsWith(`| ${name}`));
    const where = listed ? '' : ` Figures of ${date.slice(0, 10)}, \`${commit}\`: test/bench/results/${name}.json.`;
    return `- **${name}**: ${measures} (${cpu}, ${cores} cores, ${memory_gb} GB, Linux ${kernel}, Node ${node}${changed})${where}`;
  });
  const remarks = [...new Set(files.map(({ note }) => note).filter((note) => note !== ''))];
  const head = ['| benchmark | median | runs | date | commit |', '| --- | --- | --- | --- | --- |'];
  return [...head, ...rows, '', ...remarks, ...(remarks.length === 0 ? [] : ['']), ...notes].join('\n');
}

export function writtenBetween(readme: string): string | null {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  return from < 0 || to < from ? null : readme.slice(from + BEGIN.length, to).trim();
}

/** The README with its benchmarks as the results are now. */
export function withBenchTable(readme: string, root: string): string {
  if (writtenBetween(readme) === null) throw new Error(`README.md has no place for the benchmarks: ${BEGIN} … ${END}`);
  const from = readme.indexOf(BEGIN) + BEGIN.length;
  return `${readme.slice(0, from)}\n\n${benchTable(root)}\n\n${readme.slice(readme.indexOf(END))}`;
}

export function updateReadme(root: string): void {
  const path = join(root, 'README.md');
  writeFileSync(path, withBenchTable(readFileSync(path, 'utf8'), root));
}

if (import.meta.filename === process.argv[1]) updateReadme(new URL('../../', import.meta.url).pathname);
