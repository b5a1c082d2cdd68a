// A partition of the in-memory broker against a list of all that was written to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PartitionLog } from '../../../../streams/testing/partition-log.ts';

const PLACE = { topic: 't', partition: 0 };
const PRODUCERS = 3;

type Step =
  | {
      readonly kind: 'append';
      readonly producer: number;
      readonly keys: readonly (string | null)[];
      readonly again: boolean;
    }
  | { readonly kind: 'end'; readonly producer: number; readonly committed: boolean }
  | { readonly kind: 'truncate'; readonly part: number }
  | { readonly kind: 'compact' };

const producer = fc.integer({ min: 0, max: PRODUCERS - 1 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('append' as const), producer, keys: keys(), again: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), producer, committed: fc.boolean() }) },
    fc.record({ kind: fc.constant('truncate' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant('compact' as const) }),
  ),
  { maxLength: 40 },
);

/** A key, or one with a deletion (upper case). */
function keys() {
  return fc.array(fc.constantFrom('a', 'b', 'c', 'A', 'B'), { minLength: 1, maxLength: 4 });
}

interface Written {
  readonly offset: number;
  readonly key: string;
  /** null: a marker */
  readonly producer: number | null;
  state: 'open' | 'committed' | 'aborted';
}

class Model {
  written: Written[] = [];
  /** offsets that compaction took away */
  readonly gone = new Set<number>();
  start = 0;
  end = 0;

  stableEnd(): number {
    return Math.min(this.end, ...this.written.filter(({ state }) => state === 'open').map(({ offset }) => offset));
  }

  visible(from: number): string[] {
    return this.written
      .filter(({ offset, producer: by, state }) => offset >= from && by !== null && state === 'committed')
      .filter(({ offset }) => offset >= this.start && offset < this.stableEnd() && !this.gone.has(offset))
      .map(({ offset, key }) => `${offset} ${key}`);
  }

  compact(): void {
    const stable = this.written.filter(({ offset, producer: by }) => by !== null && offset < this.stableEnd());
    for (const one of stable) {
      const newer = stable.some(
        (other) =>
          other.offset > one.offset && other.state === 'committed' && other.key.toLowerCase() === one.key.toLowerCase(),
      );
      // deletions are kept for a while: here, for ever
      if (newer) this.gone.add(one.offset);
    }
  }
}

function apply(log: PartitionLog, model: Model, sequences: number[], step: Step): void {
  if (step.kind === 'append') {
    const identity = {
      ...{ producerId: step.producer, epoch: 0, transactional: step.producer > 0 },
      sequence: sequences[step.producer] ?? 0,
    };
    const records = step.keys.map((key) => ({
      ...{ topic: 't', timestampMs: 0, key: Buffer.from((key ?? '').toLowerCase()) },
      value: key === key?.toUpperCase() ? null : Buffer.from('v'),
    }));
    assert.equal(log.append(records, identity), model.end);
    // a repeated request changes nothing, and is answered as the first one was
    if (step.again) assert.equal(log.append(records, identity), model.end);
    sequences[step.producer] = identity.sequence + records.length;
    for (const key of step.keys) {
      const state = step.producer > 0 ? 'open' : 'committed';
      model.written.push({ offset: model.end, key: key ?? '', producer: step.producer, state });
      model.end += 1;
    }
  } else if (step.kind === 'end') {
    if (step.producer === 0) return;
    log.mark({ producerId: step.producer, epoch: 0 }, step.committed);
    for (const one of model.written)
      if (one.producer === step.producer && one.state === 'open') one.state = step.committed ? 'committed' : 'aborted';
    model.written.push({ offset: model.end, key: '', producer: null, state: 'committed' });
    model.end += 1;
  } else if (step.kind === 'compact') {
    log.compact(0, Number.POSITIVE_INFINITY);
    model.compact();
  } else {
    const offset = Math.floor(step.part * model.stableEnd());
    log.truncate(offset);
    model.start = Math.max(model.start, offset);
  }
}

/** From an offset to the end of what can be seen, fetch by fetch. */
function readAll(log: PartitionLog, from: number, bytesMax: number): string[] {
  const texts: string[] = [];
  for (let offset = from; offset < log.stableEnd;) {
    const { records, nextOffset } = log.read(offset, bytesMax);
    assert.ok(nextOffset > offset, 'each fetch moves on');
    for (const { offset: at, key, value } of records) {
      const text = key?.toString() ?? '';
      texts.push(`${at} ${value === null ? text.toUpperCase() : text}`);
    }
    offset = nextOffset;
  }
  return texts;
}

test('a partition shows what was committed, in order, whatever else was done to it', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 500 }), (all, bytesMax) => {
      const log = new PartitionLog(PLACE);
      const model = new Model();
      const sequences = Array.from({ length: PRODUCERS }, () => 0);
      for (const step of all) {
        apply(log, model, sequences, step);
        assert.deepEqual([log.start, log.stableEnd, log.end], [model.start, model.stableEnd(), model.end]);
        for (let from = model.start; from <= model.end; from += 1)
          assert.deepEqual(readAll(log, from, bytesMax), model.visible(from));
      }
    }),
  );
});
