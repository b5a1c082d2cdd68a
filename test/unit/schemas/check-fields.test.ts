// Definitions against the schemas of their topics: what the events do not have is refused, with the nearest name.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { demoDefinitions } from '../../../infra/demo/demo.ts';
import { DEMO_SCHEMAS } from '../../../infra/demo/flights.ts';
import { checkFields, describedTopics } from '../../../schemas/check-fields.ts';
import { type AvroSchema } from '../../../schemas/codec.ts';
import { type Definition } from '../../../schemas/definitions.ts';
import { Failure } from '../../../schemas/failure.ts';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';
import { topicNames } from '../../../schemas/topics.ts';

const names = topicNames('millrace.');
const TIME = { type: 'long', logicalType: 'timestamp-millis' };

function schema(fields: Readonly<Record<string, unknown>>): AvroSchema {
  return { type: 'record', name: 'Event', fields: Object.entries(fields).map(([name, type]) => ({ name, type })) };
}

const CLICKS = { user_id: ['null', 'long'], at: TIME, price: ['null', 'double'], paid: 'boolean', page: 'string' };
const REQUESTS = {
  id: 'string',
  at: TIME,
  user_id: 'long',
  country: { type: 'enum', name: 'C', symbols: ['DE'] },
  basket: 'float',
};
const OUTCOMES = { id: 'string', at: TIME, bought: 'int' };

const [, view, endpoint] = parseDefinitions([
  {
    name: 'shop.yaml',
    text: `
kind: entity
name: user
---
kind: feature_view
name: clicks
entity: user
source: { topic: shop.clicks, key_field: user_id, event_time_field: at }
features:
  - { name: clicks_1h, function: count, window: 1h }
  - { name: price_1h, function: sum, field: price, window: 1h }
  - { name: paid_1h, function: sum, field: paid, window: 1h }
---
kind: endpoint
name: purchase
model: purchase
request: { key_field: id, event_time_field: at }
entities: { user: user_id }
inputs: [{ name: country, kind: category }, { name: basket }, { name: clicks_1h, from: clicks }]
outcome: { key_field: id, event_time_field: at, label_field: bought, horizon: 2d }
`,
  },
]);

function check(
  definition: Definition | undefined,
  fields: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): void {
  assert.ok(definition !== undefined);
  checkFields(definition, new Map(Object.entries(fields).map(([topic, given]) => [topic, schema(given)])), names);
}

const GOOD = { 'shop.clicks': CLICKS, 'purchase.requests': REQUESTS, 'purchase.outcomes': OUTCOMES };

test('what the events have is accepted; a topic without a schema is taken on trust', () => {
  for (const definition of [view, endpoint]) {
    check(definition, GOOD);
    check(definition, {});
  }
});

test('the topics that a definition speaks of', () => {
  assert.ok(view !== undefined && endpoint !== undefined);
  assert.deepEqual(describedTopics(view, names), ['shop.clicks']);
  assert.deepEqual(describedTopics(endpoint, names), ['purchase.requests', 'purchase.outcomes']);
  assert.deepEqual(describedTopics({ kind: 'entity', name: 'user', key_type: 'string', description: '' }, names), []);
});

test("the demo's definitions fit the demo's schemas", () => {
  const schemas = new Map(
    Object.entries(DEMO_SCHEMAS).map(([topic, name]) => [
      topic,
      JSON.parse(
        readFileSync(new URL(`../../../infra/demo/schemas/${name}.avsc`, import.meta.url), 'utf8'),
      ) as AvroSchema,
    ]),
  );
  const described = demoDefinitions().flatMap((definition) => describedTopics(definition, names));
  for (const topic of described) assert.ok(schemas.has(topic), `${topic} has a schema`);
  for (const definition of demoDefinitions()) checkFields(definition, schemas, names);
});

/** Topic, field, its type instead (undefined: renamed), the place that is named, words. */
const CASES: readonly (readonly [topic: keyof typeof GOOD, field: string, type: unknown, at: string, words: RegExp])[] =
  [
    [
      'shop.clicks',
      'user_id',
      undefined,
      'feature_view clicks: source.key_field',
      /no field user_id\. Did you mean user_idx\?/,
    ],
    ['shop.clicks', 'user_id', 'double', 'feature_view clicks: source.key_field', /neither text nor an integer/],
    ['shop.clicks', 'at', undefined, 'feature_view clicks: source.event_time_field', /no field at/],
    ['shop.clicks', 'at', 'string', 'feature_view clicks: source.event_time_field', /no time in epoch milliseconds/],
    [
      'shop.clicks',
      'at',
      { type: 'long', logicalType: 'timestamp-micros' },
      'feature_view clicks: source.event_time_field',
      /no time in epoch milliseconds/,
    ],
    [
      'shop.clicks',
      'price',
      undefined,
      'feature_view clicks: features[1].field',
      /no field price\. Did you mean pricex\?/,
    ],
    ['shop.clicks', 'price', 'string', 'feature_view clicks: features[1].field', /not a number/],
    ['shop.clicks', 'price', ['null', 'string'], 'feature_view clicks: features[1].field', /not a number/],
    ['purchase.requests', 'id', undefined, 'endpoint purchase: request.key_field', /no field id/],
    ['purchase.requests', 'at', undefined, 'endpoint purchase: request.event_time_field', /no field at/],
    ['purchase.requests', 'user_id', undefined, 'endpoint purchase: entities.user', /no field user_id/],
    [
      'purchase.requests',
      'country',
      undefined,
      'endpoint purchase: inputs[0].name',
      /no field country\. Did you mean countryx\?/,
    ],
    ['purchase.requests', 'country', 'boolean', 'endpoint purchase: inputs[0].name', /no category/],
    ['purchase.requests', 'basket', undefined, 'endpoint purchase: inputs[1].name', /no field basket/],
    ['purchase.requests', 'basket', 'string', 'endpoint purchase: inputs[1].name', /not a number/],
    ['purchase.requests', 'basket', 'boolean', 'endpoint purchase: inputs[1].name', /not a number/],
    ['purchase.outcomes', 'id', undefined, 'endpoint purchase: outcome.key_field', /no field id/],
    ['purchase.outcomes', 'at', undefined, 'endpoint purchase: outcome.event_time_field', /no field at/],
    ['purchase.outcomes', 'bought', undefined, 'endpoint purchase: outcome.label_field', /no field bought/],
    [
      'purchase.outcomes',
      'bought',
      'string',
      'endpoint purchase: outcome.label_field',
      /neither a number nor a boolean/,
    ],
  ];

for (const [topic, field, type, at, words] of CASES) {
  test(`${topic} with ${field} ${type === undefined ? 'missing' : `as ${JSON.stringify(type)}`}`, () => {
    const changed = Object.fromEntries(
      Object.entries<unknown>(GOOD[topic]).map(([name, given]) =>
        name !== field ? [name, given] : type === undefined ? [`${name}x`, given] : [name, type],
      ),
    );
    assert.throws(
      () => [view, endpoint].forEach((definition) => check(definition, { ...GOOD, [topic]: changed })),
      (error: unknown) => {
        assert.ok(error instanceof Failure);
        assert.deepEqual([error.code, error.field], ['invalid_definition', at]);
        assert.match(error.advice, words);
        return true;
      },
    );
  });
}
