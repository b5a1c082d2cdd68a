// The rules of the house, checked: which way imports go, no cycles, small files, no clocks or chance inside.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const root = new URL('../../../', import.meta.url).pathname;
/** From the inside out: a part may import itself and those before it. */
const PARTS = ['schemas', 'streams', 'processors', 'serving', 'infra'] as const;
const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
/** Made by a program, or a table; each with its reason. */
const LONG_FILES: readonly string[] = ['schemas/events.generated.ts'];
const BANNED: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /\bDate\.now\(/, why: 'wall clock arrives in events or through Clock' },
  { pattern: /\bnew Date\(\)/, why: 'wall clock arrives in events or through Clock' },
  { pattern: /\bMath\.random\(/, why: 'chance arrives in events' },
  { pattern: /\bsetTimeout\(|\bsetInterval\(/, why: 'sleeping is injected' },
  { pattern: /\bprocess\.env\b/, why: 'settings are read in one place' },
  { pattern: /from 'node:(fs|net|http|child_process|worker_threads)/, why: 'only infra touches the world' },
  { pattern: /\bconsole\.(log|error|warn)\(/, why: 'logs are structured' },
];

/** Files that may, each with its reason. */
const EXEMPT: Readonly<Record<string, string>> = {
  'schemas/codec.ts': 'reads the .avsc files beside it, once',
  'schemas/generate-types.ts': 'makes a file; no part of the running program',
  'serving/mlflow/artifacts.ts': 'streams artifacts that infra opens',
  'serving/console/routes.ts': 'serves the page beside it, and ticks for the browser',
};

/** Files that nobody has to import, each with its reason. */
const ENTRIES: Readonly<Record<string, string>> = {
  'streams/testing/test-driver.ts': 'for those who test a topology of theirs, with the log in memory',
  'streams/testing/memory-registry.ts': 'the same',
  'streams/builder/versions.ts': 'for those who write a step that answers as of a time',
  'streams/builder/by-window.ts': 'for those who write a step that keeps a value per window',
  'streams/builder/record-format.ts': 'for those who type a topology from schemas',
  'infra/cli/millrace.ts': 'entry.mjs beside it loads it',
  'infra/generate.ts': '`npm run generate`',
  'infra/rocksdb/rocksdb-native.d.ts': 'types of a package that has none',
  'infra/testing/run-bench.ts': 'the bootstrap starts it for `npm run bench`',
  'infra/testing/run-tests.ts': 'the bootstrap starts it for `npm test`',
  'streams/checkpoints/memory-storage.ts': 'for tests of checkpoints',
};

interface Source {
  readonly path: string;
  readonly part: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: Source[] = PARTS.flatMap((part) =>
  globSync(`${part}/**/*.ts`, { cwd: root }).map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const imports = [...text.matchAll(/(?:from|import)\s+\(?'(\.[^']+)'/g)].map((match) =>
      normalize(join(dirname(path), match[1] ?? '')),
    );
    return { path, part, text, imports };
  }),
);

test('there is something to check', () => assert.ok(sources.length > 80));

test('imports go one way: schemas, streams, processors, serving; infra may import all', () => {
  const wrong = sources.flatMap(({ path, part, imports }) =>
    imports
      .filter(
        (target) =>
          PARTS.indexOf((target.split('/')[0] ?? '') as (typeof PARTS)[number]) >
          PARTS.indexOf(part as (typeof PARTS)[number]),
      )
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('every import names a file that exists', () => {
  const known = new Set(sources.map(({ path }) => path));
  const wrong = sources.flatMap(({ path, imports }) =>
    imports
      .filter((target) => target.endsWith('.ts') && !known.has(target))
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('there are no import cycles', () => {
  const imports = new Map(sources.map((source) => [source.path, source.imports]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      cycles.push([...way.slice(way.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const target of imports.get(path) ?? []) walk(target, [...way, path]);
    done.add(path);
  };
  for (const { path } of sources) walk(path, []);
  assert.deepEqual(cycles, []);
});

test('files and functions are small', () => {
  const wrong: string[] = [];
  for (const { path, text } of sources) {
    if (LONG_FILES.includes(path)) continue;
    const lines = text.split('\n');
    if (lines.length > FILE_LINES_MAX) wrong.push(`${path} has ${lines.length} lines`);
    // the formatter closes a function at the indentation at which it began
    lines.forEach((line, index) => {
      const opened =
        /^(\s*)(?:export )?(?:async )?(?:function\b|(?:static |async |get |#|\w)[\w#]*\(.*\)[^;]*\{$)/.exec(line);
      if (opened === null || !line.endsWith('{')) return;
      // the brace may be followed by what an argument or a property wants
      const close = `${opened[1] ?? ''}}`;
      const end = lines.findIndex((later, at) => at > index && later.startsWith(close));
      if (end - index > FUNCTION_LINES_MAX) wrong.push(`${path}:${index + 1} is a function of ${end - index} lines`);
    });
  }
  assert.deepEqual(wrong, []);
});

test('only infra reads clocks, draws chance or touches the world', () => {
  const wrong = sources
    .filter(({ part, path }) => part !== 'infra' && EXEMPT[path] === undefined)
    .flatMap(({ path, text }) =>
      BANNED.filter(({ pattern }) => pattern.test(text)).map(
        ({ pattern, why }) => `${path}: ${pattern.source} (${why})`,
      ),
    );
  assert.deepEqual(wrong, []);
});

test('no file is called utils, helpers or index', () => {
  assert.deepEqual(
    sources.filter(({ path }) => /(^|\/)(utils?|helpers?|index|common|misc)\.ts$/.test(path)).map(({ path }) => path),
    [],
  );
});

test('no file is dead: each is imported, or started as a program, by a file that is no test', () => {
  const used = new Set(
    sources.flatMap(({ path, text }) =>
      [
        ...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g),
        ...text.matchAll(/new URL\('([^']+)',\s*import\.meta\.url\)/g),
      ].map((match) => normalize(join(dirname(path), match[1] ?? ''))),
    ),
  );
  const paths = sources.map(({ path }) => path);
  assert.deepEqual(
    paths.filter((path) => !used.has(path) && ENTRIES[path] === undefined),
    [],
  );
  assert.deepEqual(
    Object.keys(ENTRIES).filter((path) => !paths.includes(path) || used.has(path)),
    [],
    'entries that are gone, or need no mention',
  );
});
