// "Your own data in ten minutes" of the README, as somebody would type it: every shell block is run, in order, in a folder and on
// ports of the test's own; where the README shows what comes back, that has to come back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sectionOf } from '../unit/docs/markdown.ts';
import { Platform } from './platform.ts';

const root = new URL('../../', import.meta.url).pathname;
const readme = readFileSync(`${root}README.md`, 'utf8');
const BLOCK_WITHIN_MS = 90_000;
/** What is shown may need to be asked for again: it is what comes back when all has been scored. */
const SHOWN_WITHIN_MS = 60_000;

interface Block {
  readonly commands: string;
  /** what the README shows below it, null where it shows nothing */
  readonly shown: string | null;
}

function blocksOf(section: string): Block[] {
  const blocks: Block[] = [];
  for (const [, language = '', text = ''] of section.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const last = blocks.at(-1);
    if (language === 'sh') blocks.push({ commands: text, shown: null });
    else if (language === 'text' && last !== undefined) blocks[blocks.length - 1] = { ...last, shown: text };
  }
  return blocks;
}

const blocks = blocksOf(sectionOf(readme, 'Your own data in ten minutes'));
/** `export` holds for the blocks below it too. */
const exported = blocks.flatMap(({ commands }) => commands.match(/^export .*$/gm) ?? []).join('\n');

describe('the example of the README', () => {
  let platform: Platform;
  const seen = new Set<number>();

  before(async () => {
    platform = await Platform.make();
  });
  after(async () => {
    await run('npx millrace down');
    await platform.remove();
  });

  /** In the test's folder, on its ports. */
  function run(commands: string): Promise<{ code: number | null; out: string; err: string }> {
    const script = `${exported}\n${commands}`
      .replaceAll('.millrace/', `${platform.folder}/`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${platform.httpPort}`);
    const child = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', script], {
      cwd: root,
      env: { ...process.env, ...platform.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const overdue = setTimeout(() => child.kill('SIGTERM'), BLOCK_WITHIN_MS);
    return new Promise((resolve) => {
      // not `close`: what was started with --detach keeps the pipes open
      child.once('exit', (code) => {
        clearTimeout(overdue);
        setImmediate(() => resolve({ code, out, err }));
      });
    });
  }

  /** Of everything that runs in a data folder below the test's. */
  function processIds(): number[] {
    const folder = join(platform.folder, 'payments', 'run');
    if (!existsSync(folder)) return [];
    const files = readdirSync(folder).filter((name) => name.endsWith('.pid'));
    return files.map((name) => Number(readFileSync(join(folder, name), 'utf8')));
  }

  it('has commands to run', () => assert.ok(blocks.length >= 7, `${blocks.length} blocks`));

  for (const [index, { commands, shown }] of blocks.entries()) {
    const title = commands.trim().split('\n').at(0) ?? '';
    it(`${index + 1}: ${title.slice(0, 100)}`, async () => {
      const untilMs = performance.now() + SHOWN_WITHIN_MS;
      for (const pid of processIds()) seen.add(pid);
      for (;;) {
        const { code, out, err } = await run(commands);
        assert.equal(code, 0, `${commands}\n${out}${err}`);
        if (shown === null || same(out, shown)) return;
        if (performance.now() > untilMs) assert.equal(out.trim(), shown.trim());
      }
    });
  }

  it('leaves no process behind', () => {
    assert.ok(seen.size > 10, `${seen.size} processes were seen`);
    assert.deepEqual(
      [...seen].filter((pid) => existsSync(`/proc/${pid}/cmdline`)),
      [],
    );
  });
});

/** `…` in what is shown stands for anything on its line. */
function same(out: string, shown: string): boolean {
  const [told, wanted] = [out.trim().split('\n'), shown.trim().split('\n')];
  return (
    told.length === wanted.length &&
    wanted.every((line, at) => {
      const pattern = line
        .split('…')
        .map((part) => part.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*');
      return new RegExp(`^${pattern}\\s*$`).test(told[at] ?? '');
    })
  );
}
