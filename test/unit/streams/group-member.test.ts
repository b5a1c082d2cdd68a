// The member's side of a consumer group, against a coordinator whose answers the test gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { GroupMember, type HeartbeatAnswer, type HeartbeatRequest } from '../../../streams/group-member.ts';
import { type AssignmentListener } from '../../../streams/log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';

const PLACE = { topic: 't', partition: 0 };
const INTERVAL_MS = 1000;

class Refusal extends Error {
  readonly kind: 'thrown out' | 'stale' | 'lost';

  constructor(kind: Refusal['kind']) {
    super(kind);
    this.kind = kind;
  }
}

interface Beat {
  readonly request: HeartbeatRequest;
  answer(answer: Partial<HeartbeatAnswer>): void;
  refuse(kind: Refusal['kind']): void;
}

/** A member, and the heartbeats that wait for an answer. */
function memberAt(time: SimulatedTime) {
  const beats: Beat[] = [];
  const member = new GroupMember({
    ...{ group: 'g', topics: ['t'], instanceId: null, memberId: 'm', clock: time.clock },
    protocol: {
      heartbeat: (request) =>
        new Promise((resolve, reject) => {
          beats.push({
            request,
            answer: (answer) => resolve({ epoch: request.epoch, intervalMs: INTERVAL_MS, assignment: null, ...answer }),
            refuse: (kind) => reject(new Refusal(kind)),
          });
        }),
      meaningOf: (error) => (error instanceof Refusal && error.kind === 'thrown out' ? 'thrown out' : 'again'),
      isStale: (error) => error instanceof Refusal && error.kind === 'stale',
    },
  });
  return { member, beats };
}

function listener(by: Partial<AssignmentListener> = {}): AssignmentListener {
  const nothing = async (): Promise<void> => undefined;
  return { assigned: nothing, revoked: nothing, lost: nothing, ...by };
}

/** Joined at epoch 1, with the one partition. */
async function joined(time: SimulatedTime, by: Partial<AssignmentListener> = {}) {
  const { member, beats } = memberAt(time);
  const started = member.start(listener(by));
  beats.shift()?.answer({ epoch: 1, assignment: [PLACE] });
  await started;
  await time.advance(0);
  await time.advance(INTERVAL_MS);
  return { member, beats };
}

test('a commit that meets its own member being thrown out fails, though the listener waits for it', async () => {
  const time = new SimulatedTime({ startMs: 0 });
  let committing: Promise<unknown> = Promise.resolve();
  const { member, beats } = await joined(time, {
    lost: async () => {
      await committing;
    },
  });
  assert.equal(beats.length, 1, 'a heartbeat is under way');
  committing = member
    .withGeneration(() => Promise.reject(new Refusal('stale')))
    .then(
      () => 'committed',
      (error: unknown) => error,
    );
  await time.advance(0);
  beats.shift()?.refuse('thrown out');
  await time.advance(0);
  const outcome = await Promise.race([committing, time.advance(10).then(() => 'waits for ever')]);
  assert.ok(outcome instanceof Failure && outcome.code === 'fenced', String(outcome));
});

test('who was thrown out joins again only when its listener has let go of everything', async () => {
  const time = new SimulatedTime({ startMs: 0 });
  let letGo = (): void => undefined;
  const { beats } = await joined(time, {
    lost: () =>
      new Promise((resolve) => {
        letGo = resolve;
      }),
  });
  beats.shift()?.refuse('thrown out');
  await time.advance(10 * INTERVAL_MS);
  assert.deepEqual(beats, []);
  letGo();
  await time.advance(INTERVAL_MS);
  assert.deepEqual(
    beats.map(({ request: { epoch, owned } }) => ({ epoch, owned })),
    [{ epoch: 0, owned: [] }],
  );
});

test('a commit that was begun before its member was thrown out does not count with the next generation', async () => {
  const time = new SimulatedTime({ startMs: 0 });
  const { member, beats } = await joined(time);
  const generations: number[] = [];
  let refuse: (error: Error) => void = () => undefined;
  const committing = member.withGeneration((_id, epoch) => {
    generations.push(epoch);
    return new Promise((_resolve, reject) => {
      refuse = reject;
    });
  });
  committing.catch(() => undefined);
  beats.shift()?.refuse('thrown out');
  await time.advance(INTERVAL_MS);
  beats.shift()?.answer({ epoch: 5 });
  await time.advance(0);
  refuse(new Refusal('stale'));
  await assert.rejects(committing, (error) => error instanceof Failure && error.code === 'fenced');
  assert.deepEqual(generations, [1]);
});

test('after an answer that was not heard, everything is told anew', async () => {
  const time = new SimulatedTime({ startMs: 0 });
  const { beats } = await joined(time);
  beats.shift()?.answer({});
  await time.advance(INTERVAL_MS);
  assert.deepEqual([beats[0]?.request.topics, beats[0]?.request.owned], [null, null]);
  beats.shift()?.refuse('lost');
  await time.advance(INTERVAL_MS + 200);
  const { topics, owned, rebalanceTimeoutMs, epoch } = beats[0]?.request ?? { topics: null, owned: null };
  assert.deepEqual({ topics, owned, epoch }, { topics: ['t'], owned: [PLACE], epoch: 1 });
  assert.ok(rebalanceTimeoutMs !== null);
});
