// A second platform in the same folder is refused, and takes nothing of the first one away.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readSettings } from '../../../infra/settings.ts';
import { takeLock } from '../../../infra/supervisor/lock.ts';
import { Stack } from '../../../infra/supervisor/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-stack-'));

describe('a data folder that is in use', () => {
  after(() => rmSync(folder, { recursive: true }));

  it('is left as it is by a second platform that is refused, and stopped', async () => {
    const settings = readSettings({ MILLRACE_DATA_DIR: folder }, folder);
    takeLock(folder);
    const second = new Stack({ settings, environment: {}, say: () => undefined });
    await assert.rejects(() => second.start(), { code: 'conflict', fix: /npx millrace down/ });
    await second.stop();
    assert.ok(existsSync(join(folder, 'run', 'supervisor.json')), 'the run folder of the first one is still there');
  });
});
