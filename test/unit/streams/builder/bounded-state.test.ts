// Steps of a topology whose state is in memory in part: what they need is there before they begin, and where it is not they begin anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../../schemas/failure.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { type JoinNode } from '../../../../streams/builder/graph.ts';
import { StateKeys } from '../../../../streams/builder/node-state.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { type NewRecord } from '../../../../streams/log.ts';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { type StateStores } from '../../../../streams/store.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';
import { LoneTask } from '../../../fakes/lone-task.ts';

const valuesOf = (driver: TestDriver, topic: string): (string | undefined)[] =>
  driver.outputs(topic).map(({ value }) => value?.toString());

test('a step is not begun before the rows of all steps below it are in memory: what it does in place is done once', async () => {
  let runs = 0;
  interface Count {
    count: number;
  }
  const spec = topology('chained', ({ stream }) => {
    stream('in', text)
      .process<Count, string>('first', {
        state: json(),
        each: (_value, { state = { count: 0 }, setState, emit }) => {
          runs += 1;
          state.count += 1;
          setState(state);
          emit(String(state.count));
        },
      })
      .process<Count, string>('second', {
        state: json(),
        each: (value, { state = { count: 0 }, setState, emit }) => {
          state.count += 1;
          setState(state);
          emit(`${value} ${state.count}`);
        },
      })
      .to('out', text);
  });
  const store = await memoryStores().open('state');
  const outputs: string[] = [];
  const take = (records: readonly NewRecord[]): unknown => outputs.push(...records.map(({ value }) => String(value)));
  const record = { key: 'k', value: Buffer.from('x'), timestampMs: 0 };
  const before = await LoneTask.of(spec, store, 0, take);
  before.take('in', [record]);
  await before.work();
  await before.commit();
  assert.deepEqual(outputs.splice(0), ['1 1']);

  const after = await LoneTask.of(spec, store, 0, take);
  const { task, state } = after;
  const keys = new StateKeys([{ name: 'first' }, { name: 'second' }]);
  await state.fetch([keys.key(0, 'k')]);
  assert.ok(!state.lacks(keys.key(0, 'k')) && state.lacks(keys.key(1, 'k')));
  after.take('in', [record]);
  assert.equal(
    task.process(() => false),
    true,
    'there is more to do',
  );
  assert.ok(task.lacksState && !task.dirty, 'and nothing to commit');
  assert.equal(runs, 1);
  await task.prepare();
  assert.equal(
    task.process(() => false),
    false,
  );
  assert.equal(runs, 2);
  await after.commit();
  assert.deepEqual(outputs, ['2 2']);
});

/** Reads another row than that of its message, which nobody can know of before it is run. */
function curious(caught: () => void): JoinNode {
  return {
    kind: 'join',
    what: 'join',
    label: 'curious',
    tables: [{ name: 'curious', state: json() }],
    first: null,
    open: () => ({
      take: (_port, { key, value }, context) => {
        context.emit(key, `${JSON.stringify(value)} begun`, 0);
        let friend: unknown = 'none';
        try {
          friend = context.row(0, String(value)) ?? 'nothing';
        } catch {
          caught();
        }
        context.put(0, key, key.toUpperCase(), null);
        context.emit(key, `${key} found ${String(friend)}`, 0);
      },
      wake: () => undefined,
    }),
    sinks: [],
    children: [],
  };
}

test('who comes upon a row that is not in memory, and catches what is thrown, is run again, and nothing of before is left', async () => {
  let caught = 0;
  const spec = topology('curious', (builder) => {
    const join = curious(() => (caught += 1));
    const input = builder.stream('in', json<string>());
    input.place.parent.children.push({ kind: 'port', port: 'left', join });
    join.children.push({
      ...{ kind: 'sink', topic: 'out', format: text, isInternal: false, isTable: false, isAwaited: true },
    });
  });
  const driver = await TestDriver.start({ spec, live: true, cacheBytesMax: 0 });
  await driver.pipe('in', [{ key: 'a', value: '"a"' }]);
  await driver.restart();
  assert.equal(caught, 0);
  driver.outputs('out');
  await driver.pipe('in', [
    { key: 'b', value: '"a"' },
    { key: 'c', value: '"b"' },
  ]);
  assert.deepEqual(valuesOf(driver, 'out'), ['"a" begun', 'b found A', '"b" begun', 'c found B']);
  assert.equal(caught, 1);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

const counting = topology('counting', ({ stream }) => {
  stream('in', text)
    .process<number, string>('count', {
      state: json(),
      each: (_value, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit(String(state + 1));
      },
    })
    .to('out', text);
});

/** Stores in memory, damaged for who reads single rows. */
class Damaged implements StateStores {
  readonly #stores = memoryStores();
  readonly destroyed: string[] = [];

  async open(name: string): ReturnType<StateStores['open']> {
    const store = await this.#stores.open(name);
    return {
      multiGet: async (keys) => {
        if (keys.some((key) => key[0] !== 0))
          throw new Failure('damaged_state', `The store ${name} is damaged.`, { field: name });
        return store.multiGet(keys);
      },
      write: (writes) => store.write(writes),
      scan: (range) => store.scan(range),
      close: () => store.close(),
    };
  }

  async destroy(name: string): Promise<void> {
    this.destroyed.push(name);
    await this.#stores.destroy(name);
  }

  names(): Promise<readonly string[]> {
    return this.#stores.names();
  }
}

test('a store that turns out to be damaged when a row is fetched ends the instance, and is thrown away', async () => {
  const stores = new Damaged();
  const driver = await TestDriver.start({ spec: counting, live: true, cacheBytesMax: 0, stores });
  await driver.pipe('in', [{ key: 'k', value: 'x' }]);
  await driver.restart();
  assert.deepEqual(valuesOf(driver, 'out'), ['1']);
  await assert.rejects(driver.pipe('in', [{ key: 'k', value: 'x' }]), { code: 'damaged_state' });
  assert.deepEqual(stores.destroyed, ['counting.stage-0-0']);
  assert.deepEqual(valuesOf(driver, 'out'), [], 'nothing of the record was committed');
});

test('what waits for a commit does not grow beyond the bound: it is committed before the interval is over', async () => {
  const store = await memoryStores().open('state');
  const silent = topology('silent', ({ stream }) => {
    stream('in', text).process<number, string>('count', {
      state: json(),
      each: (_value, { state = 0, setState }) => setState(state + 1),
    });
  });
  const task = await LoneTask.of(silent, store, 100_000, () => undefined);
  const records = Array.from({ length: 20_000 }, (_, index) => ({
    ...{ key: `key ${index}`, value: Buffer.from('x'), timestampMs: index },
  }));
  task.take('in', records);
  await task.work();
  assert.ok(task.commits > 10, `${task.commits} commits`);
  assert.ok(task.state.residentRows < 4000, `${task.state.residentRows} rows`);
  await task.commit();
  assert.equal(task.state.size, records.length);
  await task.close();
});

test('more timers at one instant than are taken at a time: each goes off once, in the order of the keys, and no other time comes between', async () => {
  const closing = topology('closing', ({ stream }) => {
    stream('in', text)
      .process<number, string>('open', {
        state: json(),
        each: (_value, { timeMs, setState, setTimer }) => {
          setState(timeMs);
          setTimer(timeMs < 1000 ? 1000 : null);
        },
        timer: ({ key, timeMs, setState, emit }) => {
          setState(undefined);
          emit(`${key} at ${timeMs}`);
        },
      })
      .to('out', text);
  });
  const keys = Array.from({ length: 2500 }, (_, index) => `key ${index}`);
  for (const live of [true, false]) {
    const driver = await TestDriver.start({ spec: closing, live, cacheBytesMax: 0 });
    await driver.pipe(
      'in',
      keys.map((key) => ({ key, value: 'x', timestampMs: 5 })),
    );
    // live, no news comes after it: what is left of the instant must not wait for any
    await driver.pipe('in', [{ key: 'later', value: 'x', timestampMs: 1000 }]);
    if (!live) await driver.advanceTo(1000);
    assert.deepEqual(
      valuesOf(driver, 'out'),
      keys.toSorted().map((key) => `${key} at 1000`),
    );
    await driver.close();
  }
});
