// Whose processes a data folder has: the supervisor that holds it, and what a killed one left. Real processes, none of the stack.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { registryMark } from '../../../infra/embedded/registry.ts';
import { endLeftovers, leftoversIn, notePid } from '../../../infra/supervisor/leftovers.ts';
import { supervisorIn, takeLock, tellReady } from '../../../infra/supervisor/lock.ts';
import { isAlive } from '../../../infra/supervisor/processes.ts';
import { Failure } from '../../../schemas/failure.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-supervisor-'));
const children: ChildProcess[] = [];
let count = 0;
let dataDir = '';
beforeEach(() => {
  count += 1;
  dataDir = join(root, String(count));
  mkdirSync(join(dataDir, 'run'), { recursive: true });
});
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

/** A process that has these arguments and runs until it is told to end; or longer. */
async function running(args: readonly string[], isStubborn = false): Promise<ChildProcess> {
  const program = `${isStubborn ? "process.on('SIGTERM', () => undefined);" : ''} setInterval(() => undefined, 1000); process.stdout.write('up')`;
  const child = spawn(process.execPath, ['-e', program, '--', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  children.push(child);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

const ended = (child: ChildProcess): Promise<NodeJS.Signals | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.signalCode);
    else child.once('exit', (_code, signal) => resolve(signal));
  });

describe('the lock of a data folder', () => {
  const path = (): string => join(dataDir, 'run', 'supervisor.json');

  it('is held by one process, which says when it is ready', () => {
    assert.equal(supervisorIn(dataDir), null);
    takeLock(dataDir);
    assert.deepEqual(supervisorIn(dataDir), { pid: process.pid, ready: false });
    assert.throws(
      () => takeLock(dataDir),
      (error: unknown) =>
        error instanceof Failure && error.code === 'conflict' && /already runs in .*millrace down/.test(error.advice),
    );
    tellReady(dataDir);
    assert.deepEqual(supervisorIn(dataDir), { pid: process.pid, ready: true });
  });

  it('of a process that has ended, or whose number another program has now, is free', async () => {
    takeLock(dataDir);
    const held = JSON.parse(readFileSync(path(), 'utf8')) as object;
    writeFileSync(path(), JSON.stringify({ ...held, started: '1' }));
    assert.equal(supervisorIn(dataDir), null);
    takeLock(dataDir);
    assert.deepEqual(supervisorIn(dataDir), { pid: process.pid, ready: false });
    const other = await running([]);
    other.kill('SIGKILL');
    await ended(other);
    writeFileSync(path(), JSON.stringify({ ...held, pid: other.pid }));
    assert.equal(supervisorIn(dataDir), null);
  });

  it('that a full disk or a crash cut short is free', () => {
    for (const text of ['', '{"pid": 1', 'null']) {
      writeFileSync(path(), text);
      assert.equal(supervisorIn(dataDir), null);
    }
    takeLock(dataDir);
    assert.equal(supervisorIn(dataDir)?.pid, process.pid);
  });
});

describe('what a killed supervisor left', () => {
  it('is found by arguments that name the folder, and ended; nothing else is touched', async () => {
    const marks: Readonly<Record<string, readonly string[]>> = {
      features: ['--role', 'features', '--status-file', join(dataDir, 'run', 'features.json')],
      kafka: ['kafka.Kafka', join(dataDir, 'kafka', 'server.properties')],
      clickhouse: ['--data-dir', join(dataDir, 'clickhouse')],
      registry: [registryMark(join(dataDir, 'logs', 'registry.log')), '-jar'],
    };
    const ours: ChildProcess[] = [];
    for (const [name, args] of Object.entries(marks)) {
      const child = await running(args);
      notePid(dataDir, name, child.pid ?? 0);
      ours.push(child);
    }
    // a number that was given to another program meanwhile, one of another folder, and one that is free
    const stranger = await running(['--status-file', join(dataDir, 'run', 'features.json.bak')]);
    notePid(dataDir, 'scoring', stranger.pid ?? 0);
    const neighbour = await running(['--data-dir', join(`${dataDir}0`, 'clickhouse')]);
    notePid(dataDir, 'gateway', neighbour.pid ?? 0);
    const gone = await running([]);
    gone.kill('SIGKILL');
    await ended(gone);
    notePid(dataDir, 'training', gone.pid ?? 0);

    assert.deepEqual(
      leftoversIn(dataDir)
        .map(({ name }) => name)
        .sort(),
      Object.keys(marks).sort(),
    );
    assert.deepEqual(await endLeftovers(dataDir), Object.keys(marks).sort());
    assert.deepEqual(
      await Promise.all(ours.map(ended)),
      ours.map(() => 'SIGTERM'),
    );
    for (const other of [stranger, neighbour]) assert.ok(isAlive(other.pid ?? 0));
    assert.deepEqual(leftoversIn(dataDir), []);
    assert.deepEqual(await endLeftovers(dataDir), []);
  });

  it('is ended by force when it does not end by itself', async () => {
    const child = await running([join(dataDir, 'run', 'monitoring.json')], true);
    notePid(dataDir, 'monitoring', child.pid ?? 0);
    await endLeftovers(dataDir, 200);
    assert.equal(await ended(child), 'SIGKILL');
  });

  it('is nothing in a folder that was never used', async () => {
    assert.deepEqual(await endLeftovers(join(dataDir, 'never')), []);
  });
});
