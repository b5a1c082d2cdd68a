// The Log port's contract: consumer groups.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { type Log, type Membership } from '../../../streams/log.ts';
import { Assigned, type LogWorld, StoppableClock, fresh, record, textsOf, topicOf, untilStable } from './log-world.ts';

const isFenced = (error: unknown): boolean => error instanceof Failure && error.code === 'fenced';

interface Joined {
  readonly log: Log;
  readonly clock: StoppableClock;
  readonly membership: Membership;
  readonly assigned: Assigned;
}

export function membershipSuite(world: LogWorld): void {
  const contract = (what: string, body: () => Promise<void>): void => {
    test(`${world.name}: ${what}`, () =>
      world.run(async () => {
        try {
          await body();
        } finally {
          // what a failed test has left would go on with its heartbeats, and the process with them
          for (const { clock } of members) clock.goOn();
          await leave(...members.splice(0));
        }
      }));
  };
  const members: Joined[] = [];

  const join = async (group: string, topics: readonly string[], instanceId: string | null = null): Promise<Joined> => {
    const clock = new StoppableClock(world.clock);
    const log = world.client(clock);
    const membership = log.membership({ group, topics, instanceId });
    const assigned = new Assigned();
    await membership.start(assigned);
    const joined = { log, clock, membership, assigned };
    members.push(joined);
    return joined;
  };
  const leave = async (...members: readonly Joined[]): Promise<void> => {
    for (const { membership, log } of members) {
      await membership.close();
      await log.close();
    }
  };
  const numbersOf = ({ held }: Assigned, topic: string): string[] =>
    [...held]
      .filter((id) => id.startsWith(`${topic}/`))
      .map((id) => id.slice(topic.length + 1))
      .sort();
  const twoTopics = async (): Promise<readonly [string, string]> => {
    const log = world.client(world.clock);
    const topics = [await topicOf(log, 4), await topicOf(log, 4)] as const;
    await log.close();
    return topics;
  };

  contract('two members share the partitions, the same numbers of each topic, and hand them over', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const first = await join(group, topics);
    await first.assigned.until(() => first.assigned.held.size === 8);
    const second = await join(group, topics);
    await first.assigned.until(
      () => first.assigned.held.size === 4 && second.assigned.held.size === 4,
      [second.assigned],
    );
    for (const { assigned } of [first, second])
      assert.deepEqual(numbersOf(assigned, topics[0]), numbersOf(assigned, topics[1]));
    assert.equal(new Set([...first.assigned.held, ...second.assigned.held]).size, 8);
    await leave(first);
    await second.assigned.until(() => second.assigned.held.size === 8);
    assert.ok(first.assigned.events.every((event) => !event.startsWith('lost')));
    await leave(second);
  });

  contract('what is revoked is given away only when the listener has let go of it', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const first = await join(group, topics);
    await first.assigned.until(() => first.assigned.held.size === 8);
    let release = (): void => undefined;
    first.assigned.beforeRevoked = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const second = await join(group, topics);
    await first.assigned.until(() => first.assigned.events.some((event) => event.startsWith('revoking')));
    // the first member's heartbeats go on meanwhile: it is not thrown out for being slow
    await world.clock.sleep(2500);
    assert.equal(second.assigned.held.size, 0);
    release();
    await second.assigned.until(() => second.assigned.held.size === 4);
    assert.equal(first.assigned.held.size, 4);
    await leave(first, second);
  });

  contract('a member that falls silent is thrown out: it loses everything, and joins anew', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const zombie = await join(group, topics);
    await zombie.assigned.until(() => zombie.assigned.held.size === 8);
    const other = await join(group, topics);
    await other.assigned.until(
      () => other.assigned.held.size === 4 && zombie.assigned.held.size === 4,
      [zombie.assigned],
    );
    zombie.clock.stop();
    await other.assigned.until(() => other.assigned.held.size === 8);
    const had = zombie.assigned.held.size;
    zombie.clock.goOn();
    await zombie.assigned.until(() => zombie.assigned.events.some((event) => event.startsWith('lost')));
    await zombie.assigned.until(() => zombie.assigned.held.size === 4);
    assert.equal(had, 4);
    assert.equal(new Set([...zombie.assigned.held, ...other.assigned.held]).size, 8);
    await leave(zombie, other);
  });

  contract('a zombie’s transaction is fenced by the group’s generation', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const zombie = await join(group, topics);
    await zombie.assigned.until(() => zombie.assigned.held.size === 8);
    const [topic] = topics;
    const place = { topic, partition: 0 };
    const session = await zombie.log.transactions(fresh('id'), 60_000);
    session.begin();
    await session.append([record(topic, 0, 'of the zombie')]);
    zombie.clock.stop();
    const other = await join(group, topics);
    await other.assigned.until(() => other.assigned.held.size === 8);
    zombie.clock.goOn();
    await assert.rejects(session.commitOffsets(zombie.membership, [{ ...place, offset: 1, metadata: '' }]), isFenced);
    await session.abort();
    await untilStable(other.log, world.clock, place);
    assert.deepEqual(await textsOf(other.log, place), []);
    assert.deepEqual(await other.membership.committed([place]), [{ ...place, offset: -1, metadata: '' }]);
    await session.close();
    await leave(zombie, other);
  });

  contract('offsets go in while the group moves on to a newer generation', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const first = await join(group, topics);
    await first.assigned.until(() => first.assigned.held.size === 8);
    const place = { topic: topics[0], partition: 0 };
    const session = await first.log.transactions(fresh('id'), 60_000);
    const second = await join(group, topics);
    for (let offset = 1; second.assigned.held.size < 4; offset += 1) {
      session.begin();
      await session.commitOffsets(first.membership, [{ ...place, offset, metadata: '' }]);
      await session.commit();
      await world.clock.sleep(20);
    }
    await session.close();
    await leave(first, second);
  });

  contract('a static member that comes back takes its place again, unnoticed', async () => {
    const topics = await twoTopics();
    const group = fresh('group');
    const ids = [fresh('instance'), fresh('instance')] as const;
    const first = await join(group, topics, ids[0]);
    await first.assigned.until(() => first.assigned.held.size === 8);
    const second = await join(group, topics, ids[1]);
    await first.assigned.until(
      () => first.assigned.held.size === 4 && second.assigned.held.size === 4,
      [second.assigned],
    );
    const had = [...second.assigned.held].sort();
    const seen = first.assigned.events.length;
    await second.membership.close(true);
    await second.log.close();
    const again = await join(group, topics, ids[1]);
    await again.assigned.until(() => again.assigned.held.size === 4);
    assert.deepEqual([...again.assigned.held].sort(), had);
    assert.equal(first.assigned.events.length, seen);
    await leave(first, again);
  });

  contract(
    'an instance that is started again takes its predecessor’s place at once; a zombie has none any more',
    async () => {
      const topics = await twoTopics();
      const group = fresh('group');
      const instance = fresh('instance');
      const zombie = await join(group, topics, instance);
      await zombie.assigned.until(() => zombie.assigned.held.size === 8);
      zombie.clock.stop();
      const startedMs = world.clock.monotonicMs();
      const heir = await join(group, topics, instance);
      await heir.assigned.until(() => heir.assigned.held.size === 8);
      const tookMs = world.clock.monotonicMs() - startedMs;
      assert.ok(tookMs < 3000, `${Math.round(tookMs)} ms: its session was waited for`);
      zombie.clock.goOn();
      await zombie.assigned.until(() => zombie.assigned.events.includes('refused'));
      assert.equal(zombie.assigned.held.size, 0);
      assert.equal(heir.assigned.held.size, 8);
      await leave(zombie, heir);
    },
  );
}
