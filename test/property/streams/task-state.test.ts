// The state of a task against a plain map: with any bound it answers the same, writes the same changelog, and leaves the same store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStores } from '../../../streams/memory-store.ts';
import { POSITION_KEY, positionIn } from '../../../streams/state/position.ts';
import { type StateStore } from '../../../streams/store.ts';
import { type StateSerde, TaskState } from '../../../streams/task-state.ts';

interface Value {
  text: string;
}

const serde: StateSerde<Value> = {
  encode: ({ text }) => Buffer.from(text),
  decode: (bytes) => ({ text: bytes.toString() }),
};
const CHANGELOG = { topic: 'changelog', partition: 0 };
const KEYS = Array.from({ length: 9 }, (_, index) => `${index % 3 === 0 ? 'pinned' : 'key'} ${index}`);
const isPinned = (key: string): boolean => key.startsWith('pinned');

const key = fc.constantFrom(...KEYS);
const actions = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('mutate' as const), key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('fetch' as const), keys: fc.array(key, { maxLength: 5 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('drain' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  ),
  { maxLength: 150, size: 'max' },
);
type Action = typeof actions extends fc.Arbitrary<(infer T)[]> ? T : never;

/** A bounded state beside one that is wholly in memory, and the map that both must be. */
class Pair {
  readonly #cacheBytesMax: number;
  readonly model = new Map<string, string>();
  readonly #stores = [memoryStores(), memoryStores()] as const;
  #states: readonly [TaskState<Value>, TaskState<Value>] | null = null;
  #changes = 0;
  readonly missed = { times: 0 };

  constructor(cacheBytesMax: number) {
    this.#cacheBytesMax = cacheBytesMax;
  }

  async open(): Promise<void> {
    const [few, all] = await Promise.all(this.#stores.map((stores) => stores.open('state')));
    if (few === undefined || all === undefined) throw new Error('two were opened');
    const { missed } = this;
    const watched: StateStore = {
      multiGet: (keys) => {
        missed.times += 1;
        return few.multiGet(keys);
      },
      write: (writes) => few.write(writes),
      scan: (range) => few.scan(range),
      close: () => few.close(),
    };
    const bounds = { cacheBytesMax: this.#cacheBytesMax, isPinned };
    this.#states = [new TaskState(watched, serde, CHANGELOG, bounds), new TaskState(all, serde, CHANGELOG)];
    const rows: string[] = [];
    await this.#bounded.load((text) => rows.push(text));
    await this.#whole.load();
    const inOrder = [...this.model].sort(([one], [other]) => (one < other ? -1 : 1));
    assert.deepEqual(
      rows,
      inOrder.map(([text]) => text),
    );
    this.model.clear();
    for (const [text, value] of inOrder) this.model.set(text, value);
  }

  get #bounded(): TaskState<Value> {
    return this.#states?.[0] ?? assert.fail();
  }

  get #whole(): TaskState<Value> {
    return this.#states?.[1] ?? assert.fail();
  }

  async take(action: Action): Promise<void> {
    if ('key' in action) await this.#bounded.fetch([action.key]);
    switch (action.kind) {
      case 'put':
      case 'mutate':
        this.#put(action.key, action.kind === 'mutate');
        break;
      case 'delete':
        this.#bounded.delete(action.key);
        this.#whole.delete(action.key);
        this.model.delete(action.key);
        break;
      case 'fetch':
        await this.#bounded.fetch(action.keys);
        for (const one of action.keys) assert.ok(!this.#bounded.lacks(one));
        break;
      case 'sweep':
        this.#sweep();
        break;
      case 'drain':
        assert.deepEqual(this.#bounded.drain(), this.#whole.drain());
        break;
      case 'write':
        await this.#write();
        break;
      case 'reopen':
        assert.deepEqual(this.#bounded.drain(), this.#whole.drain());
        await this.#write();
        await this.open();
        break;
    }
    this.#check();
  }

  /** In place: what a step does that changes the object it was given. */
  #put(text: string, inPlace: boolean): void {
    this.#changes += 1;
    for (const state of [this.#bounded, this.#whole]) {
      const held = state.get(text);
      if (!inPlace || held === undefined) state.put(text, { text: `v${this.#changes}` });
      else {
        held.text = `v${this.#changes}`;
        state.put(text, held);
      }
    }
    this.model.set(text, `v${this.#changes}`);
  }

  async #write(): Promise<void> {
    // what comes while the store is written waits for the next time
    const end = { nextOffset: this.#changes, logEnd: this.#changes };
    const writing = [this.#bounded, this.#whole].map((state) => state.written(end, { asOfMs: 0, isRenewal: false }));
    this.#sweep();
    this.#check();
    await Promise.all(writing);
  }

  /** As often as nothing that may go is too new to. */
  #sweep(): void {
    for (let times = 0; times < 4; times += 1) this.#bounded.sweep();
  }

  #check(): void {
    assert.equal(this.#bounded.size, this.model.size);
    assert.equal(this.#whole.size, this.model.size);
    for (const text of KEYS) {
      if (isPinned(text)) assert.ok(!this.#bounded.lacks(text));
      if (!this.#bounded.lacks(text)) assert.equal(this.#bounded.get(text)?.text, this.model.get(text), text);
    }
    assert.deepEqual(
      Array.from(this.#whole.entries(), ([text, { text: value }]) => [text, value]),
      [...this.model],
    );
    const pinned = (state: TaskState<Value>): [string, Value][] =>
      [...state.entries()].filter(([one]) => isPinned(one));
    assert.deepEqual(pinned(this.#bounded), pinned(this.#whole), 'in the same order too');
    if (this.#bounded.isComplete) assert.deepEqual(new Map(this.#bounded.entries()), new Map(this.#whole.entries()));
  }

  /** All rows of the store, without its position, and that. */
  async stored(which: 0 | 1): Promise<readonly (readonly [string, string])[]> {
    const rows: [string, string][] = [];
    for await (const { key: bytes, value } of (await this.#stores[which].open('state')).scan({}))
      rows.push(
        bytes.equals(POSITION_KEY)
          ? ['position', String(positionIn(value).nextOffset)]
          : [String(bytes), String(value)],
      );
    return rows;
  }
}

test('a state with a bound is a map: what it says, what it writes, what it leaves', async () => {
  let missed = 0;
  await fc.assert(
    fc.asyncProperty(actions, fc.constantFrom(0, 1000, 3000, 1e9), async (steps, cacheBytesMax) => {
      const pair = new Pair(cacheBytesMax);
      await pair.open();
      for (const step of [...steps, { kind: 'reopen' } as const]) await pair.take(step);
      missed += pair.missed.times;
      const stored = await pair.stored(0);
      assert.deepEqual(stored, await pair.stored(1));
      assert.deepEqual(new Map(stored.filter(([text]) => text !== 'position')), pair.model);
    }),
    { numRuns: 500 },
  );
  assert.ok(missed > 1000, `the store was read ${missed} times`);
});

test('a change of a key that was not read is refused', async () => {
  const store = await memoryStores().open('state');
  await store.write([{ key: Buffer.from('key'), value: Buffer.from('v') }]);
  const state = new TaskState(store, serde, CHANGELOG, { cacheBytesMax: 0, isPinned });
  await state.load();
  assert.ok(state.lacks('key') && state.size === 1 && state.residentRows === 0);
  assert.throws(() => state.put('key', { text: 'w' }), { code: 'internal' });
  assert.throws(() => state.delete('key'), { code: 'internal' });
});
