import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { requireFewLanes, requireOneReader } from '../../../streams/check-spec.ts';
import { type ApplicationSpec, type SubTopology } from '../../../streams/processor.ts';

function reads(name: string, topics: readonly string[], globalTopics: readonly string[] = []): SubTopology<never> {
  return {
    ...{ name, topics, globalTopics, lanesOf: () => 1, single: false, store: null, outputLanes: () => [] },
    create: () => Promise.reject(new Error('is not made here')),
  };
}

test('each topic has one reader in an application', () => {
  requireOneReader({ id: 'a', subTopologies: [reads('one', ['x', 'y']), reads('two', ['z'], ['w'])] });
  for (const other of [reads('two', ['y']), reads('two', ['z'], ['x'])])
    assert.throws(
      () => requireOneReader({ id: 'a', subTopologies: [reads('one', ['x', 'y']), other] }),
      (error) => error instanceof Failure && error.code === 'invalid_definition' && /one and two/.test(error.message),
    );
});

test('an internal topic has as many lanes as fit beside an offset', () => {
  const withLanes = (lanes: number): ApplicationSpec => ({
    id: 'a',
    subTopologies: [{ ...reads('one', ['x']), lanesOf: () => lanes }],
  });
  requireFewLanes(withLanes(400));
  assert.throws(
    () => requireFewLanes(withLanes(401)),
    (error) => error instanceof Failure && error.code === 'invalid_definition' && /x would be/.test(error.message),
  );
});
