// Streams merged into one: before and behind keyBy, by event time, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from '../../../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { describeTopology } from '../../../../streams/builder/describe.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const at = (timestampMs: number, value: string, key = 'k'): TestRecord => ({ key, value, timestampMs });
const values = (driver: TestDriver, topic: string): (string | undefined)[] =>
  driver.outputs(topic).map(({ value }) => value?.toString());

/** Appends what it sees to what it saw. */
const seen = {
  state: text,
  each: (
    value: string,
    { state = '', setState, emit }: { state?: string | undefined; setState(next: string): void; emit(o: string): void },
  ) => {
    setState(state + value);
    emit(state + value);
  },
};

test('a step below sees the records of all streams by event time, whatever order they came in', async () => {
  const spec = topology('merged', ({ stream }) => {
    const [a, b, c] = [stream('a', text), stream('b', text), stream('c', text)];
    a.merge(
      b.map((value) => value.toUpperCase()),
      c.filter((value) => value !== 'x'),
    )
      .process('seen', seen)
      .to('out', text);
    a.to('copy', text);
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('c', [at(2, '2'), at(3, 'x'), at(5, '5')]);
  await driver.pipe('a', [at(1, 'a'), at(4, 'd')]);
  await driver.pipe('b', [at(3, 'c'), at(5, 'e')]);
  await driver.advanceTo(4);
  await driver.restart();
  await driver.advanceTo(100);
  assert.equal(values(driver, 'out').at(-1), 'a2CdE5');
  assert.deepEqual(values(driver, 'copy'), ['a', 'd']);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

test('behind keyBy too: streams of topics with other partitions meet there by their new key', async () => {
  const spec = topology('moved', ({ stream }) => {
    const first = (value: string): string => value.charAt(0);
    stream('a', text)
      .keyBy(first, { name: 'a-by-first' })
      .merge(stream('b', text).keyBy(first, { name: 'b-by-first' }))
      .process('seen', seen)
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec, partitions: { a: 2, b: 3 } });
  const keyed = (topic: string, rows: readonly [number, string][]): Promise<void> =>
    driver.pipe(
      topic,
      rows.map(([timeMs, value]) => at(timeMs, value, `${topic}${value}`)),
    );
  await keyed('b', [
    [2, 'x2'],
    [3, 'y2'],
  ]);
  await keyed('a', [
    [1, 'x1'],
    [4, 'y3'],
    [3, 'x3'],
  ]);
  await driver.advanceTo(100);
  assert.equal(driver.stateOf('seen', 'x'), 'x1x2x3');
  assert.equal(driver.stateOf('seen', 'y'), 'y2y3');
  await driver.close();
});

test('a merged stream goes through keyBy, and its name stays', async () => {
  const spec = topology('on', ({ stream }) => {
    stream('a', text)
      .merge(stream('b', text))
      .keyBy((value) => value.charAt(0), { name: 'by-first' })
      .process('seen', seen)
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec, defaultPartitions: 2 });
  await driver.pipe('a', [at(1, 'x1', 'p'), at(3, 'x3', 'q')]);
  await driver.pipe('b', [at(2, 'x2', 'r')]);
  await driver.advanceTo(100);
  assert.equal(driver.stateOf('seen', 'x'), 'x1x2x3');
  await driver.close();
});

test('records of two topics with one key, time and offset are two', async () => {
  const spec = topology('two', ({ stream }) => {
    const both = stream('a', text).merge(stream('b', text));
    const join = (left: string, right: string): string => left + right;
    both
      .joinWithin('near', stream('c', text), { kind: 'inner', before: '1s', after: '1s', lateness: '0s', join })
      .to('out', text);
    both.table().to('rows', text);
  });
  const driver = await TestDriver.start({ spec });
  for (const topic of ['a', 'b', 'c']) await driver.pipe(topic, [at(1, topic)]);
  await driver.advanceTo(10_000);
  assert.deepEqual(values(driver, 'out').sort(), ['ac', 'bc']);
  await driver.close();
});

const counted = (declare: (builder: TopologyBuilder) => void): DeclaredTopology => topology('t', declare);

test('merged topics need as many partitions, unless they are moved by key', () => {
  const spec = counted(({ stream }) => stream('a', text).merge(stream('b', text)).to('out', text));
  const partitions = new Map([
    ['a', 2],
    ['b', 3],
  ]);
  const options = {
    partitions,
    internalTopic: (name: string) => name,
    changelogTopic: (id: string, store: string) => id + store,
  };
  assert.throws(() => compile(spec, options), {
    ...{ name: 'Failure', code: 'invalid_definition', field: 'b', message: /a has 2 partitions and b 3.* merged/ },
    fix: /keyBy/,
  });
});

test('what is no stream is refused, and so is a stream with itself behind keyBy', () => {
  for (const others of [[], [undefined], ['b'], [{ place: {} }]])
    assert.throws(() => counted(({ stream }) => stream('a', text).merge(...(others as never as [Stream<string>]))), {
      ...{ name: 'Failure', code: 'invalid_definition', field: 'merge', fix: /\S/ },
    });
  assert.throws(
    () =>
      counted(({ stream }) => {
        const a = stream('a', text);
        a.merge(a.keyBy((value) => value)).to('out', text);
      }),
    { name: 'Failure', code: 'invalid_definition', field: 'a', fix: /\S/ },
  );
});

test('what was mapped takes a format from the stream that it is merged into, or needs one', () => {
  counted(({ stream }) => {
    const mapped = stream('b', text).map((value) => `${value}!`);
    stream('a', text)
      .merge(mapped)
      .keyBy((value) => value);
  });
  assert.throws(
    () =>
      counted(({ stream }) => {
        const mapped = stream('b', text).map((value) => `${value}!`);
        mapped.merge(stream('a', text)).keyBy((value) => value);
      }),
    { code: 'invalid_definition', field: 'format' },
  );
});

test('what follows a merge is told once, and the parts that meet in it are one stage', () => {
  const spec = counted(({ stream }) => {
    const b = stream('b', json<string>(), { name: 'beta' });
    stream('a', json<string>()).merge(b, b).process('seen', seen).to('out', text);
  });
  assert.equal(
    describeTopology(spec),
    [
      't',
      '  beta      b',
      '              merge',
      '                seen [state]',
      '                  → out',
      '              merge',
      '            a',
      '              merge',
    ].join('\n'),
  );
});
