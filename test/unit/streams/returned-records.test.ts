// A record that was put back from the dead letters counts for the application that had set it aside, and for no other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeclaredTopology } from '../../../streams/builder/declaration.ts';
import { text } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { type Header } from '../../../streams/log.ts';
import { LETTER_HEADER, LETTER_OF_HEADER } from '../../../streams/returned-records.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const merged = (id: string): DeclaredTopology => topology(id, ({ stream }) => stream('in', text).to('out', text));
const direct = (id: string): DeclaredTopology =>
  topology(id, (builder) => {
    windows(builder, 'counts', {
      from: { topic: 'in', format: 'json' },
      ...{ step: '1h', features: { count: { function: 'count', window: '1h' } } },
    }).to('out', { format: 'json' });
  });

const of = (application: string): Header[] => [
  { key: LETTER_HEADER, value: Buffer.from('7') },
  { key: LETTER_OF_HEADER, value: Buffer.from(application) },
];
const other = (key: string): Header => ({ key, value: Buffer.from('mine') });
/** Headers, and whether the application `mine` takes the record. */
const RECORDS: readonly (readonly [readonly Header[], boolean])[] = [
  [[], true],
  [of('yours'), false],
  [of('yours'), false],
  [of('mine'), true],
  // as long as the name that is looked for, and a value that is its name
  [[other('x'.repeat(LETTER_OF_HEADER.length)), { key: 'k', value: Buffer.from(LETTER_OF_HEADER) }], true],
  [[other(''), other('trace'), ...of('mine-2')], false],
  // put back for all
  [[{ key: LETTER_HEADER, value: Buffer.from('7') }], true],
  [of('yours'), false],
];

for (const [kind, declared] of Object.entries({ merged, direct }))
  test(`${kind}: what was put back for another application is passed over, wherever it stands`, async () => {
    for (const rounds of [1, 40]) {
      const driver = await TestDriver.start({ spec: declared('mine'), live: true });
      const records = Array.from({ length: rounds }, () => RECORDS).flat();
      await driver.pipe(
        'in',
        records.map(([headers], index) => ({ key: `k${index}`, value: '{}', headers })),
      );
      const taken = records.flatMap(([, isTaken], index) => (isTaken ? [`k${index}`] : []));
      assert.deepEqual(
        driver.outputs('out').map(({ key }) => String(key)),
        taken,
      );
      assert.deepEqual(driver.deadLetters(), []);
      await driver.close();
    }
  });
