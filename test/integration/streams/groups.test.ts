// Groups on real Kafka, with instances that are processes: who has which partitions, what is read again, and that the output is
// exact whatever happens to them.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { startFeatureJob } from '../../../infra/bench/feature-job.ts';
import { STORE_EVERY_MS } from '../../../streams/direct-task.ts';
import { damageStores } from './damage.ts';
import { type Job, World } from './job-world.ts';

const COMMIT_MS = 100;
/** A tenth of a second's events: what is on its way anyhow while events come in. */
const AT_HEAD_RECORDS = 100;
/** An instance that is restarted is back before its session is over, also where the machine is busy with other things. */
const RESTART_SESSION_MS = 45_000;

const world = new World();
before(() => world.start());
after(() => world.stop());

async function withJob(
  partitions: number,
  keys: number,
  body: (job: Job) => Promise<void>,
  sessionMs?: number,
): Promise<void> {
  const job = await world.job(partitions, keys, sessionMs);
  try {
    await body(job);
  } finally {
    await job.end();
  }
}

const keptOf = (before: readonly string[], now: readonly string[]): number =>
  before.filter((task) => now.includes(task)).length;

test('one, three, two instances: partitions stay where they are, and the output is exact', () =>
  withJob(6, 60, async (job) => {
    const a = job.launch('a');
    await a.untilTasks(6);
    job.feed(20);
    const alone = a.tasks;
    const b = job.launch('b');
    await b.untilTasks(3, [a]);
    await a.untilTasks(3);
    assert.equal(keptOf(alone, a.tasks), 3);
    const [ofA, ofB] = [a.tasks, b.tasks];
    const c = job.launch('c');
    await c.untilTasks(2, [a, b]);
    await a.until('each has two', () => a.tasks.length === 2 && b.tasks.length === 2, [b]);
    // only what the third needs has moved
    assert.equal(keptOf(ofA, a.tasks) + keptOf(ofB, b.tasks), 4);
    const [stillA, stillB] = [a.tasks, b.tasks];
    await c.stop();
    await a.until('two have three each', () => a.tasks.length === 3 && b.tasks.length === 3, [b]);
    assert.equal(keptOf(stillA, a.tasks) + keptOf(stillB, b.tasks), 4);
    assert.equal(c.status?.ended, 'stopped');
    await job.checkOutput();
  }));

test('an instance that is restarted, orderly or killed, finds its partitions and its state; nothing moves', () =>
  withJob(
    4,
    40,
    async (job) => {
      const a = job.launch('a');
      await a.untilTasks(4);
      const first = job.launch('b', { comesBack: true });
      await a.until('two each', () => a.tasks.length === 2 && first.tasks.length === 2, [first]);
      const [ofA, ofB] = [a.tasks, first.tasks];
      const seen = a.history.length;
      job.feed(20);
      await first.until('it has worked', () => (first.status?.processed ?? 0) > 400);
      await first.stop();
      const second = job.launch('b', { comesBack: true });
      await second.untilTasks(2);
      assert.deepEqual(second.tasks, ofB);
      assert.equal(first.status?.ended, 'stopped');
      assert.equal(second.status?.restoredRecords, 0, 'an orderly stop leaves a complete state');

      // both partitions' rows of the commits since the last write to the store, and of the one that was under way
      const commits = Math.ceil((2 * STORE_EVERY_MS) / COMMIT_MS) + 2;
      const bound = commits * (job.keys + 2);
      // so that the bound means something
      while ((await job.changelogEnd()) <= bound) await systemClock.sleep(100);
      const killedAtMs = systemClock.monotonicMs();
      await second.kill();
      const third = job.launch('b');
      await third.untilTasks(2);
      const backMs = systemClock.monotonicMs() - killedAtMs;
      assert.deepEqual(third.tasks, ofB);
      assert.ok(
        (third.status?.restoredRecords ?? Infinity) <= bound,
        `${third.status?.restoredRecords} of ${bound} records`,
      );
      await third.until('it is at the head', () => (third.status?.lag ?? Infinity) <= AT_HEAD_RECORDS);
      const headMs = systemClock.monotonicMs() - killedAtMs;
      process.stdout.write(
        `# after kill -9 back at work in ${Math.round(backMs)} ms, at the head in ${Math.round(headMs)} ms, ` +
          `${third.status?.restoredRecords} records read again\n`,
      );
      for (const { tasks } of a.history.slice(seen)) assert.deepEqual([...tasks].sort(), ofA);
      await job.checkOutput();
    },
    RESTART_SESSION_MS,
  ));

test('a standby copy takes over without replay', () =>
  withJob(4, 40, async (job) => {
    const a = job.launch('a', { standbyReplicas: 1 });
    const b = job.launch('b', { standbyReplicas: 1 });
    await a.until(
      'each works on two and follows two',
      () => [a, b].every((one) => one.tasks.length === 2 && one.standbys.length === 2),
      [b],
    );
    await job.send(4000);
    await job.checkOutput();
    const end = await job.changelogEnd();
    const followed = (): number =>
      [a, b].flatMap((one) => one.standbys).reduce((sum, { position }) => sum + position, 0);
    await a.until('the copies have everything', () => followed() === end, [b]);
    job.feed(20);
    await a.kill();
    await b.untilTasks(4);
    assert.ok(end > job.keys);
    // what the killed one committed at the last moment may not have been read yet
    const read = b.status?.restoredRecords ?? Infinity;
    process.stdout.write(`# ${read} of ${end} changelog records read at the takeover\n`);
    assert.ok(read <= job.keys, `${read} records`);
    await job.checkOutput();
  }));

test('a deleted state folder comes back from the changelog, a damaged one too', () =>
  withJob(2, 20, async (job) => {
    const first = job.launch('a');
    await first.untilTasks(2);
    await job.send(2000);
    await job.untilCommitted();
    await first.kill();
    rmSync(first.stateDir, { recursive: true });
    const second = job.launch('a');
    await second.untilTasks(2);
    const restored = second.status?.restoredRecords ?? 0;
    assert.ok(restored >= job.keys && restored <= (await job.changelogEnd()), `${restored} records`);
    await job.send(1000);
    await second.until('all is handled', () => second.status?.processed === 1000);
    await second.stop();

    damageStores(second.stateDir);
    const third = job.launch('a');
    await third.untilTasks(2);
    assert.match(third.errors, /notice: The state store .* is damaged.* restored from its changelog/);
    assert.ok((third.status?.restoredRecords ?? 0) >= job.keys);
    await job.checkOutput();
  }));

test('a zombie is fenced: stopped past its session, and going on when others have taken over', () =>
  withJob(4, 40, async (job) => {
    const zombie = job.launch('a');
    const other = job.launch('b');
    await other.until('two each', () => zombie.tasks.length === 2 && other.tasks.length === 2, [zombie]);
    job.feed(20);
    await zombie.until('it works', () => (zombie.status?.processed ?? 0) > 200);
    zombie.signal('SIGSTOP');
    await other.untilTasks(4);
    await other.until('it has worked on', () => (other.status?.processed ?? 0) > 2000);
    zombie.signal('SIGCONT');
    // it loses what it had in hand; with a commit under way it gives up, otherwise it is given its share anew
    await Promise.race([
      zombie.exited,
      zombie.until('it is back', () => other.tasks.length === 2 && zombie.tasks.length === 2, [other]),
    ]).catch(() => undefined);
    if (zombie.hasExited) {
      assert.match(zombie.status?.ended ?? '', /fenced/);
      await job.launch('a').untilTasks(2, [other]);
    }
    await job.checkOutput();
  }));

test('what an instance left open that is no member any more is ended by those that take over', () =>
  withJob(2, 20, async (job) => {
    const ghost = await world.log.transactions(`${job.group}/ghost`, 60_000);
    ghost.begin();
    await ghost.append([0, 1].map((partition) => ({ ...job.stray(partition), partition })));
    const startedMs = systemClock.monotonicMs();
    const a = job.launch('a');
    await a.untilTasks(2);
    await job.send(200);
    await job.checkOutput();
    const tookMs = systemClock.monotonicMs() - startedMs;
    assert.ok(tookMs < 30_000, `${Math.round(tookMs)} ms: the transaction's time would be 60 s`);
    await assert.rejects(ghost.commit(), /fenced|another instance/);
    await ghost.close();
  }));

test('a zombie whose instance runs elsewhere already gives up', () =>
  withJob(2, 20, async (job) => {
    const zombie = job.launch('a');
    await zombie.untilTasks(2);
    job.feed(20);
    await zombie.until('it works', () => (zombie.status?.processed ?? 0) > 200);
    zombie.signal('SIGSTOP');
    // the same instance on another machine
    const heir = job.launch('a', { machine: 'other' });
    await heir.untilTasks(2);
    zombie.signal('SIGCONT');
    assert.equal(await zombie.exited, 1);
    assert.match(zombie.status?.ended ?? '', /fenced/);
    await heir.until('it goes on', () => (heir.status?.processed ?? 0) > 500);
    await job.checkOutput();
  }));

test('stopping ends within its bound when Kafka does not answer', () =>
  withJob(2, 20, async (job) => {
    const { application, log } = await startFeatureJob({
      ...{ brokers: [world.broker.address], group: job.group, input: `${job.group}-in`, output: `${job.group}-out` },
      ...{ guarantee: 'exactly-once', commitMs: COMMIT_MS, stateDir: job.stateDir, instance: 'a' },
    });
    job.feed(20);
    while (application.status().processed < 200) await systemClock.sleep(20);
    await job.stopFeeding();
    process.kill(world.broker.child.pid, 'SIGSTOP');
    try {
      const startedMs = systemClock.monotonicMs();
      assert.equal(await application.stop({ withinMs: 1500 }), false);
      await log.close();
      const tookMs = systemClock.monotonicMs() - startedMs;
      assert.ok(tookMs < 4000, `${Math.round(tookMs)} ms`);
      await application.finished.catch(() => undefined);
    } finally {
      process.kill(world.broker.child.pid, 'SIGCONT');
    }
    const next = job.launch('a');
    await next.untilTasks(2);
    await job.checkOutput();
  }));
