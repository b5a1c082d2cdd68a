// Rows in an arena are what a map of arrays would be, whatever grows, moves, is swept and comes again; and what memory is said to be
// taken is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressIndex } from '../../../../streams/state/address-index.ts';
import { ArenaRow } from '../../../../streams/state/arena-row.ts';
import { isPacked } from '../../../../streams/state/packed-rows.ts';
import { type RowSerde } from '../../../../streams/state/row.ts';
import { RowArena } from '../../../../streams/state/row-arena.ts';

const MARKED = 0;
const STORED = 1;

/** A row of any doubles, as they are; it takes less than unpacked by the head of its block. */
const serde: RowSerde = {
  doubles: 2,
  bytesMax: ({ panes }) => 8 * (panes + 1),
  write: ({ data, start, panes, newestMs }, into, at) => {
    at = into.writeDoubleLE(newestMs, at);
    for (let pane = 0; pane < panes; pane += 1) at = into.writeDoubleLE(data[start + pane] ?? 0, at);
    return at;
  },
  read: (bytes, into) => {
    into.newestMs = bytes.readDoubleLE(0);
    into.panes = bytes.length / 8 - 1;
    if (into.panes > into.end - into.base) into.move(into.panes, 0);
    for (let pane = 0; pane < into.panes; pane += 1) into.data[into.start + pane] = bytes.readDoubleLE(8 * (pane + 1));
  },
};

function openOf(arena: RowArena, row: ArenaRow, key: Buffer): void {
  const address = arena.find(key, 0, key.length);
  assert.notEqual(address, -1, key.toString());
  if (isPacked(address)) arena.unpack(row, address);
  else arena.open(row, address);
}

type Step =
  | { readonly kind: 'append'; readonly key: number; readonly value: number; readonly times: number }
  | { readonly kind: 'sweep' | 'unmark' | 'store' | 'look' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      key: fc.nat(300),
      value: fc.double(),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('sweep' as const, 'unmark' as const, 'store' as const, 'look' as const),
    }),
  },
);

/** Some short, some longer than a double, some equal but for their end. */
function keyOf(number: number): Buffer {
  return Buffer.from(number % 7 === 0 ? `k${number}` : `${'a-rather-long-key-'.repeat(number % 4)}${number}`);
}

class Model {
  readonly arena: RowArena;
  readonly row: ArenaRow;
  readonly rows = new Map<string, { values: number[]; time: number; marked: boolean; drawn: number }>();
  #draws = 0;
  #stored = 0;

  constructor(bytesMax: number) {
    this.arena = new RowArena(bytesMax, serde);
    this.row = new ArenaRow(this.arena);
  }

  append(key: Buffer, value: number): void {
    const { arena, row } = this;
    const known = this.rows.get(key.toString());
    assert.equal(arena.find(key, 0, key.length) !== -1, known !== undefined);
    if (known === undefined) arena.open(row, arena.add(key, 0, key.length, 2));
    else openOf(arena, row, key);
    if (row.start + row.panes === row.end) row.move(2 * row.panes + 1, row.panes);
    row.data[row.start + row.panes] = value;
    row.panes += 1;
    row.newestMs = value;
    arena.keep(row);
    arena.mark(row.address, MARKED);
    arena.mark(row.address, STORED);
    const values = [...(known?.values ?? []), value];
    this.rows.set(key.toString(), { values, time: value, marked: true, drawn: known?.drawn ?? 0 });
  }

  /** Rows without a mark may go, once they are stored; which did is found out by looking. */
  sweep(): void {
    const { arena } = this;
    const before = arena.rows;
    const gone = arena.sweep((address) => arena.isMarked(address, MARKED), this.#stored);
    for (const [key, { marked, drawn }] of [...this.rows])
      if (arena.find(Buffer.from(key), 0, key.length) === -1) {
        assert.ok(!marked && drawn <= this.#stored, `${key} had to stay`);
        this.rows.delete(key);
      }
    assert.equal(before - arena.rows, gone);
  }

  /** All rows are unpacked, and not changed. */
  look(): void {
    for (const key of this.rows.keys()) openOf(this.arena, this.row, Buffer.from(key));
  }

  store(): void {
    this.#stored = this.#draws;
  }

  /** What is marked is drawn for the store. */
  unmark(): void {
    const listed = this.arena.marked(MARKED).addresses.map((address) => {
      const { bytes, start, end } = this.arena.keyAt(address);
      return bytes.toString('latin1', start, end);
    });
    const marked = [...this.rows].filter(([, row]) => row.marked).map(([key]) => key);
    assert.deepEqual(listed.sort(), marked.sort());
    this.#draws += 1;
    for (const address of this.arena.marked(MARKED).addresses) this.arena.setDrawn(address, this.#draws);
    this.arena.unmarkAll(MARKED);
    this.arena.unmarkAll(STORED);
    for (const row of this.rows.values()) {
      if (row.marked) row.drawn = this.#draws;
      row.marked = false;
    }
  }

  check(): void {
    const { arena, row } = this;
    assert.equal(arena.rows, this.rows.size);
    for (const [key, { values, time }] of this.rows) {
      // the second time as it was kept
      for (let time = 0; time < 2; time += 1) openOf(arena, row, Buffer.from(key));
      assert.deepEqual([...row.data.subarray(row.start, row.start + row.panes)], values);
      assert.ok(Object.is(row.newestMs, time));
    }
  }
}

test('rows of an arena are those of a map, through growth, moves and sweeps', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 10_000, 30_000, 100_000, 10_000_000),
      fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }),
      (bytesMax, steps) => {
        const model = new Model(bytesMax);
        for (const one of steps) {
          if (one.kind === 'sweep') model.sweep();
          else if (one.kind === 'unmark') model.unmark();
          else if (one.kind === 'store') model.store();
          else if (one.kind === 'look') model.look();
          else if (one.kind === 'append')
            for (let time = 0; time < one.times; time += 1) model.append(keyOf(one.key), one.value);
        }
        model.check();
      },
    ),
    { numRuns: 150 },
  );
});

test('memory stays within its bound when every row may go, and rows that are used stay longer than others', () => {
  const bytesMax = 1_000_000;
  const arena = new RowArena(bytesMax, serde);
  const row = new ArenaRow(arena);
  const hot = Buffer.from('hot');
  arena.add(hot, 0, hot.length, 5);
  for (let sweep = 0; sweep < 300; sweep += 1) {
    for (let number = 0; number < 500; number += 1) {
      const key = Buffer.from(`cold ${sweep} ${number}`);
      arena.add(key, 0, key.length, 5);
    }
    openOf(arena, row, hot);
    assert.ok(arena.find(hot, 0, hot.length) >= 0, `after ${sweep} sweeps`);
    arena.sweep(() => false, 0);
    assert.ok(arena.bytes <= 1.2 * bytesMax, `${arena.bytes} bytes after ${sweep} sweeps`);
  }
  assert.ok(arena.rows > 3000, `${arena.rows} rows`);
});

test('a row that is larger than a segment has one of its own, and its memory comes back', () => {
  const arena = new RowArena(10_000_000, serde);
  const row = new ArenaRow(arena);
  const key = Buffer.from('large');
  arena.open(row, arena.add(key, 0, key.length, 1));
  for (let doubles = 2; doubles < 1_000_000; doubles *= 2) {
    row.data[row.start] = 42;
    row.panes = 1;
    row.move(doubles, 1);
    arena.keep(row);
    arena.sweep(() => true, 0);
  }
  openOf(arena, row, key);
  assert.equal(row.data[row.start], 42);
  for (let sweep = 0; sweep < 20; sweep += 1) arena.sweep(() => true, 0);
  assert.ok(arena.bytes < 3 * 8 * (row.end - row.base), `${arena.bytes}`);
});

test('an index finds what a list of pairs has, equal hashes included', () => {
  const pair = fc.record({ hash: fc.integer({ min: -3, max: 3 }), address: fc.nat(1000), isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 400 }), fc.array(fc.integer(), { maxLength: 600 }), (pairs, others) => {
      const expected = new Map<number, number>();
      const index = new AddressIndex((address) => expected.get(address) ?? 0);
      others.forEach((hash, number) => {
        expected.set(2000 + number, hash);
        index.add(hash, 2000 + number);
      });
      for (const { hash, address, isAdded } of pairs) {
        const known = expected.get(address);
        if (isAdded && known === undefined) {
          index.add(hash, address);
          expected.set(address, hash);
        } else if (!isAdded && known !== undefined) {
          index.remove(known, address);
          expected.delete(address);
        }
      }
      assert.equal(index.size, expected.size);
      for (const [address, hash] of expected) {
        let slot = index.slotOf(hash);
        while (slot >= 0 && index.addressAt(slot) !== address) slot = index.slotOf(hash, slot);
        assert.ok(slot >= 0, `${address} under ${hash}`);
      }
    }),
  );
});
