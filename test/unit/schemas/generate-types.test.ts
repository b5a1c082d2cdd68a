// The TypeScript types are what `npm run generate` would write today.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generateTypes } from '../../../schemas/generate-types.ts';

const schemas = new URL('../../../schemas/', import.meta.url);

test('schemas/events.generated.ts is up to date', () => {
  const written = readFileSync(new URL('events.generated.ts', schemas), 'utf8');
  assert.equal(written, generateTypes(new URL('avro', schemas).pathname), 'run `npm run generate`');
});
