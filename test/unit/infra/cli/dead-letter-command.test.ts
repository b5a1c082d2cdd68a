// What `millrace dead-letters` tells where no letter is as asked for: the name of an internal topic is easily mistaken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toldOf } from '../../../../infra/cli/dead-letter-command.ts';
import { type OutstandingLetter } from '../../../../infra/dead-letters.ts';

function letterOf(offset: number, sourceTopic: string): OutstandingLetter {
  const source = { source_topic: sourceTopic, source_partition: 0, source_offset: 7, source_timestamp: 0 };
  const letter = { ...source, key: null, value: null, headers: {}, stage: 'process', code: 'internal' } as const;
  return { offset, letter: { ...letter, field: '', reason: 'broken', processor: 'spending' } };
}

const INTERNAL = 'millrace.repartition.spending.1';

test('where no letter is as asked for, it is told which topics have some', () => {
  const others = [letterOf(0, INTERNAL), letterOf(1, 'payments'), letterOf(2, INTERNAL)];
  const groups = `What is set aside (topic, code):\n     2  ${INTERNAL}  internal\n     1  payments  internal`;
  assert.equal(toldOf('retry', [], others), `0 put back: no letter is as asked for. ${groups}`);
  assert.equal(toldOf('list', [], others), `No letter is as asked for. ${groups}`);
});

test('where there are none at all, nothing else is told', () => {
  assert.equal(toldOf('retry', [], []), '0 put back.');
  assert.equal(toldOf('list', [], []), 'Nothing is set aside.');
  assert.equal(toldOf('retry', [letterOf(0, 'payments')], []), '1 put back.');
  assert.match(
    toldOf('list', [letterOf(0, 'payments')], []),
    /^ {5}1 {2}payments {2}spending {2}process {2}internal\n/,
  );
});
