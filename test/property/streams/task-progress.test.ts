// What stands beside a committed offset comes back as it was, also as it was written before lanes were packed, and fits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { partsMark } from '../../../streams/moved-parts.ts';
import { LANES_MAX, progressText, readProgress } from '../../../streams/task-progress.ts';

/** Kafka's offset.metadata.max.bytes, unless set. */
const METADATA_BYTES_MAX = 4096;

test('lanes come back as they were', () => {
  const lanes = fc.dictionary(fc.nat(LANES_MAX - 1).map(String), fc.nat(2 ** 40), { noNullPrototype: true });
  fc.assert(
    fc.property(
      lanes,
      fc.nat(2 ** 45),
      fc.integer(),
      fc.option(fc.nat(), { nil: undefined }),
      (ahead, offset, timeMs, decoded) => {
        const numbered = Object.entries(ahead).map(([lane, records]) => [Number(lane), offset + records] as const);
        const rest = { timeMs, ...(decoded === undefined ? {} : { decoded }) };
        const packed = progressText({ ...rest, lanes: new Map(numbered) }, offset);
        const before = JSON.stringify({ ...rest, lanes: Object.fromEntries(numbered) });
        for (const text of [packed, before]) {
          const { lanes: found, ...others } = readProgress(text, offset);
          assert.deepEqual(new Map([...found].sort()), new Map([...numbered].sort()));
          assert.deepEqual(others, rest);
        }
      },
    ),
  );
});

test('with as many lanes and parts as may be it fits beside an offset', () => {
  const offset = 9_000_000_000_000;
  const lanes = new Map(Array.from({ length: LANES_MAX }, (_, lane) => [lane, offset + 2 ** 27 - 1]));
  const states = Array.from({ length: 300 }, (_, number) => `state-${number}`);
  const mark = partsMark({
    name: 'a-stage-with-quite-a-long-name',
    parts: { states, outputTopics: [] },
  });
  const text = progressText({ timeMs: 1_700_000_000_000, decoded: offset + 1e6, ...mark, lanes }, offset);
  assert.ok(text.length < METADATA_BYTES_MAX, `${text.length} bytes`);
});
