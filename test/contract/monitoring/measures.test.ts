// The laws that every row of the catalogue of measures keeps.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MEASURES } from '../../../processors/monitoring/measures/catalogue.ts';

const rows = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })), {
  minLength: 1,
  maxLength: 60,
});
const split = (pairs: readonly (readonly [number, number])[]) => ({
  labels: pairs.map(([label]) => label),
  scores: pairs.map(([, score]) => score),
});

for (const { name, measure } of MEASURES) {
  describe(name, () => {
    test('an empty window has no value and says why', () => {
      const { value, low, high, reason } = measure({ labels: [], scores: [] });
      assert.deepEqual([value, low, high], [null, null, null]);
      assert.match(reason, /no rows/);
    });

    test('finite, inside its interval', () => {
      fc.assert(
        fc.property(rows, (pairs) => {
          const { value, low, high } = measure(split(pairs));
          if (value === null) return assert.deepEqual([name, low, high], ['auc', null, null]);
          assert.ok(Number.isFinite(value) && value >= 0);
          assert.equal(low === null, high === null);
          // rounding may put an end of the interval a last bit inside
          if (low !== null && high !== null) assert.ok(low <= value + 1e-12 && value <= high + 1e-12);
        }),
      );
    });

    test('the order of rows makes no difference, to the last bit of the value', () => {
      fc.assert(
        fc.property(rows, (pairs) => {
          assert.deepEqual(measure(split([...pairs].reverse())), measure(split(pairs)));
        }),
      );
    });
  });
}

test('the AUC of one class is undefined', () => {
  const auc = MEASURES.find(({ name }) => name === 'auc');
  assert.equal(auc?.measure({ labels: [1, 1], scores: [0.1, 0.2] }).value, null);
});
