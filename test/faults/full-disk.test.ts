// A disk that is full, for real: a small file system in memory, in a mount namespace of its own. What happens there is in
// full-disk/inside.ts.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';

const inside = new URL('full-disk/inside.ts', import.meta.url).pathname;
const DISK_MB = 700;
const WITHIN_MS = 240_000;
/** Mounts, then becomes the program; nobody outside sees the mount, and it goes with its last process. */
const MOUNT = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && shift 2 && exec "$@"';
const unshare = ['--user', '--map-root-user', '--mount'];
const canMount = spawnSync('unshare', [...unshare, 'true']).status === 0;

it(
  'a full disk is told of with what to do, and nothing that was acknowledged is lost',
  { skip: canMount ? false : 'this machine lets nobody make a mount namespace', timeout: WITHIN_MS + 10_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-full-'));
    try {
      const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: folder };
      // the runner inside must not take the runner outside for its parent
      delete env['NODE_TEST_CONTEXT'];
      const args = [...unshare, 'sh', '-c', MOUNT, 'sh', String(DISK_MB), folder, process.execPath, '--test', inside];
      const child = spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const overdue = setTimeout(() => child.kill('SIGTERM'), WITHIN_MS);
      const code = await new Promise((resolve) => child.once('exit', resolve));
      clearTimeout(overdue);
      assert.equal(code, 0, text);
      assert.match(text, /^ℹ pass 4$/m, text);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
