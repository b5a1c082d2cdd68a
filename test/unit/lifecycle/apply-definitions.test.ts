// What a second application of a definition may change, and how a change that may not be is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoDefinitions } from '../../../infra/demo/demo.ts';
import { decide } from '../../../processors/lifecycle/decide.ts';
import { evolve } from '../../../processors/lifecycle/evolve.ts';
import { type LifecycleState, emptyState } from '../../../processors/lifecycle/state.ts';
import { type Definition } from '../../../schemas/definitions.ts';
import { Failure } from '../../../schemas/failure.ts';

const context = { issuedAtMs: 0, issuedBy: 'test' };
const definitions = demoDefinitions();

function apply(state: LifecycleState, list: readonly Definition[]): string[] {
  const { events } = decide(state, 'ApplyDefinitions', JSON.stringify({ definitions: list }), context);
  for (const event of events) evolve(state, event);
  return events.map(({ name }) => name);
}

function applied(): LifecycleState {
  const state = emptyState();
  apply(state, definitions);
  return state;
}

type OfKind<K extends Definition['kind']> = Extract<Definition, { kind: K }>;

/** The demo's definition of a kind with something changed in it. */
function changed<K extends Definition['kind']>(kind: K, change: (before: OfKind<K>) => Partial<OfKind<K>>): OfKind<K> {
  const found = definitions.find((one): one is OfKind<K> => one.kind === kind);
  assert.ok(found !== undefined);
  return { ...found, ...change(found) };
}

function refused(definition: Definition, field: string): void {
  const state = applied();
  const before = structuredClone([...state.definitions]);
  assert.throws(
    () => apply(state, [definition]),
    (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, 'invalid_definition');
      assert.ok(error.field.endsWith(`: ${field}`), error.field);
      assert.match(error.fix, /a new name, such as .*-2/);
      return true;
    },
  );
  assert.deepEqual([...state.definitions], before);
}

test('the same definitions again change nothing', () => {
  assert.deepEqual(apply(applied(), definitions), []);
});

test('a view whose rows would mean something else is refused, with the field', () => {
  const more = { name: 'more', function: 'count', field: '', window_ms: 1 } as const;
  refused(
    changed('feature_view', ({ features }) => ({ features: [...features, more] })),
    'features[6]',
  );
  refused(
    changed('feature_view', () => ({ step_ms: 60_000 })),
    'step_ms',
  );
  refused(
    changed('feature_view', ({ source }) => ({ source: { ...source, topic: 'flights.arrivals' } })),
    'source.topic',
  );
});

test('an endpoint whose versions would be given other inputs is refused, with the field', () => {
  refused(
    changed('endpoint', ({ inputs }) => ({ inputs: inputs.slice(0, -1) })),
    'inputs[32]',
  );
  refused(
    changed('endpoint', ({ entities }) => ({ entities: { ...entities, tail: 'flight' } })),
    'entities.tail',
  );
});

test('what says how long, how late and in which words may change', () => {
  const allowed = [
    changed('feature_view', () => ({ lateness_ms: 60_000, description: 'other words' })),
    changed('endpoint', ({ outcome }) => ({ outcome: { ...outcome, horizon_ms: 1 } })),
    changed('monitor', () => ({ window_ms: 86_400_000 })),
    changed('rollout_policy', () => ({ canary_share: 0.5 })),
    changed('retraining_policy', () => ({ cooldown_ms: 1 })),
  ];
  assert.deepEqual(
    apply(applied(), allowed),
    allowed.map(() => 'DefinitionApplied'),
  );
});

test('definitions of no known shape are refused, and do not stop the owner of the lifecycle', () => {
  for (const definition of [null, 'text', {}, { kind: 'feature_view', name: 'v' }])
    assert.throws(() => apply(applied(), [definition as unknown as Definition]), Failure, JSON.stringify(definition));
});
