// Both halves of a foreign-key join on two partitions each, with internal topics whose records are under way for any time.
import assert from 'node:assert/strict';
import {
  type ForeignKeyRules,
  type LeftOutput,
  type LeftState,
  foreignKeyLeftSerde,
  foreignKeyLeftStep,
  leftTimerMs,
} from '../../../../streams/joins/foreign-key-left.ts';
import { responseCodec, subscriptionCodec } from '../../../../streams/joins/foreign-key-messages.ts';
import {
  type RightState,
  type Subscriber,
  foreignKeyRightStep,
  leftKeyOf,
  rightSerde,
  rightTimerMs,
  subscriberSerde,
  subscribersOf,
  subscriptionKey,
  subscriptionStep,
} from '../../../../streams/joins/foreign-key-right.ts';
import { type Joined, type Late, type Stepped, type Update } from '../../../../streams/joins/step.ts';

export const PARTITIONS = 2;

/** Any function of the key will do; the two sides need not agree. */
const partitionOf = (key: string): number => key.charCodeAt(key.length - 1) % PARTITIONS;

interface Sent {
  readonly key: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

/** From each writing task to each partition: what one task writes into one partition keeps its order, nothing else does. */
class Topic {
  readonly #channels = Array.from({ length: PARTITIONS * PARTITIONS }, (): Sent[] => []);

  send(from: number, sent: Sent): void {
    this.#channels[from * PARTITIONS + sent.partition]?.push(sent);
  }

  /** One record of the channel that `choice` picks among those that hold something. */
  next(choice: number): Sent | null {
    const filled = this.#channels.filter(({ length }) => length > 0);
    return filled[choice % filled.length]?.shift() ?? null;
  }
}

export interface Written {
  readonly leftKey: string;
  readonly row: Joined;
}

export class Platform {
  readonly #rules: ForeignKeyRules;
  readonly #written: (written: Written) => void;
  readonly left = new Map<string, Buffer>();
  readonly right = new Map<string, Buffer>();
  /** as a store keeps them: by the bytes of their keys */
  readonly subscribers = new Map<string, Buffer>();
  readonly #subscriptions = new Topic();
  readonly #responses = new Topic();
  readonly watermarkMs = { left: 0, right: 0 };

  constructor(rules: ForeignKeyRules, written: (written: Written) => void) {
    this.#rules = rules;
    this.#written = written;
  }

  takeLeft(leftKey: string, update: Update, foreignKey: string | null): readonly Late[] {
    const input = { kind: 'left', update, foreignKey, watermarkMs: this.watermarkMs.left } as const;
    return this.#keepLeft(leftKey, (state, place) => foreignKeyLeftStep(this.#rules, place, state, input));
  }

  takeRight(rightKey: string, update: Update): readonly Late[] {
    const input = { kind: 'right', update, watermarkMs: this.watermarkMs.right } as const;
    return this.#keepRight(rightKey, (state) =>
      foreignKeyRightStep(this.#rules, state, this.#subscribersOf(rightKey), input),
    );
  }

  /** @param times one after the other @returns false when nothing is under way */
  deliver(topic: 'subscriptions' | 'responses', choice: number, times = 1): boolean {
    const sent = (topic === 'subscriptions' ? this.#subscriptions : this.#responses).next(choice);
    if (sent === null) return false;
    for (let time = 0; time < times; time += 1) this.#take(topic, sent);
    return true;
  }

  #take(topic: 'subscriptions' | 'responses', sent: Sent): void {
    if (topic === 'subscriptions') this.#takeSubscription(sent);
    else {
      const at = { leftKey: sent.key, leftPartition: sent.partition };
      const response = responseCodec.decode(at, sent.bytes);
      const input = { kind: 'response', response, watermarkMs: this.watermarkMs.left } as const;
      this.#keepLeft(sent.key, (state, place) => foreignKeyLeftStep(this.#rules, place, state, input));
    }
  }

  advance(side: 'left' | 'right', byMs: number): void {
    this.watermarkMs[side] += byMs;
    const input = { kind: 'timer', watermarkMs: this.watermarkMs[side] } as const;
    if (side === 'left') {
      for (const [key, bytes] of this.left)
        if ((leftTimerMs(this.#rules, foreignKeyLeftSerde.decode(bytes)) ?? Infinity) <= input.watermarkMs)
          this.#keepLeft(key, (state, place) => foreignKeyLeftStep(this.#rules, place, state, input));
      return;
    }
    for (const [key, bytes] of this.right)
      if ((rightTimerMs(this.#rules, rightSerde.decode(bytes)) ?? Infinity) <= input.watermarkMs)
        this.#keepRight(key, (state) => foreignKeyRightStep(this.#rules, state, [], input));
  }

  #keepLeft(
    leftKey: string,
    step: (
      state: LeftState | null,
      place: { leftKey: string; leftPartition: number },
    ) => Stepped<LeftState, LeftOutput>,
  ): readonly Late[] {
    const leftPartition = partitionOf(leftKey);
    const held = this.left.get(leftKey);
    const { state, outputs, late, timerMs } = step(held === undefined ? null : foreignKeyLeftSerde.decode(held), {
      leftKey,
      leftPartition,
    });
    assert.equal(timerMs, state === null ? null : leftTimerMs(this.#rules, state));
    keep(this.left, leftKey, state, foreignKeyLeftSerde);
    for (const output of outputs) {
      if (output.kind === 'joined') this.#written({ leftKey, row: output.row });
      else {
        const { subscription } = output;
        const bytes = subscriptionCodec.encode(subscription);
        assert.deepEqual(subscriptionCodec.decode(subscription.foreignKey, bytes), subscription);
        const key = subscription.foreignKey;
        this.#subscriptions.send(leftPartition, { key, partition: partitionOf(key), bytes });
      }
    }
    return late;
  }

  #keepRight(
    rightKey: string,
    step: (state: RightState | null) => ReturnType<typeof foreignKeyRightStep>,
  ): readonly Late[] {
    const held = this.right.get(rightKey);
    const { state, outputs, late, timerMs } = step(held === undefined ? null : rightSerde.decode(held));
    assert.equal(timerMs, state === null ? null : rightTimerMs(this.#rules, state));
    keep(this.right, rightKey, state, rightSerde);
    this.#respond(rightKey, outputs);
    return late;
  }

  #respond(rightKey: string, responses: ReturnType<typeof foreignKeyRightStep>['outputs']): void {
    for (const response of responses) {
      const bytes = responseCodec.encode(response);
      assert.deepEqual(responseCodec.decode(response, bytes), response);
      const { leftKey: key, leftPartition: partition } = response;
      this.#responses.send(partitionOf(rightKey), { key, partition, bytes });
    }
  }

  #takeSubscription({ key: foreignKey, bytes }: Sent): void {
    const subscription = subscriptionCodec.decode(foreignKey, bytes);
    const at = subscriptionKey(foreignKey, subscription.leftKey).toString('latin1');
    const [right, held] = [this.right.get(foreignKey), this.subscribers.get(at)];
    const { state, outputs } = subscriptionStep(
      right === undefined ? null : rightSerde.decode(right),
      held === undefined ? null : subscriberSerde.decode(held),
      subscription,
    );
    keep(this.subscribers, at, state, subscriberSerde);
    this.#respond(foreignKey, outputs);
  }

  #subscribersOf(rightKey: string): [string, Subscriber][] {
    const { from, to } = subscribersOf(rightKey);
    return [...this.subscribers]
      .map(([key, bytes]) => ({ key: Buffer.from(key, 'latin1'), bytes }))
      .filter(({ key }) => key.compare(from) >= 0 && key.compare(to) < 0)
      .map(({ key, bytes }) => [leftKeyOf(key), subscriberSerde.decode(bytes)]);
  }
}

// States live as bytes: each step begins as after a restart.
function keep<S>(
  rows: Map<string, Buffer>,
  key: string,
  state: S | null,
  serde: { encode(state: S): Buffer; decode(bytes: Buffer): S },
): void {
  if (state === null) {
    rows.delete(key);
    return;
  }
  const bytes = serde.encode(state);
  assert.deepEqual(serde.decode(bytes), state);
  rows.set(key, bytes);
}
