// The walking JSON reader and the in-place writer against JSON.parse and JSON.stringify.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonFieldReader } from '../../../../streams/fields/json-fields.ts';
import { JsonRowWriter } from '../../../../streams/fields/json-row.ts';

const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc
    .double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 })
    .map((value) => Math.round(value * 100) / 100),
);
const wanted = fc.oneof(number, fc.boolean(), fc.constant(null));
const other = fc.jsonValue({ maxDepth: 3 });

function asNumber(value: unknown): number {
  return value === null || value === undefined ? Number.NaN : Number(value);
}

test('numbers are found among whatever else an object holds, bit for bit', () => {
  const reader = new JsonFieldReader([
    { name: 'a', optional: false },
    { name: 'b', optional: true },
    { name: 'ü"x', optional: true },
  ]);
  fc.assert(
    fc.property(
      fc.record({ a: wanted, b: wanted, 'ü"x': wanted }, { requiredKeys: ['a'] }),
      fc.dictionary(fc.string(), other, { maxKeys: 5 }),
      fc.constantFrom(0, 1, 2),
      fc.constantFrom('first', 'last'),
      (fields, rest, indent, order) => {
        const object =
          order === 'first' ? { ...fields, ...without(rest, fields) } : { ...without(rest, fields), ...fields };
        const value = Buffer.from(JSON.stringify(object, null, indent));
        const data = Buffer.concat([Buffer.from('{"a":'), value, Buffer.from('}')]);
        const into = new Float64Array(4);
        assert.equal(reader.read(data, 5, 5 + value.length, into, 1), null);
        const found: Readonly<Record<string, unknown>> = fields;
        for (const [index, name] of ['a', 'b', 'ü"x'].entries())
          assert.ok(Object.is(into[1 + index], normal(asNumber(found[name]))), `${name} of ${value.toString()}`);
      },
    ),
    { numRuns: 500 },
  );
});

/** JSON has no −0: JSON.stringify writes 0. */
function normal(value: number): number {
  return value === 0 ? 0 : value;
}

function without(rest: Readonly<Record<string, unknown>>, names: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(rest).filter(([name]) => !(name in names) && name !== 'b' && name !== 'ü"x'),
  );
}

test('what is no object, lacks a field, or holds no number is told with its field', () => {
  const reader = new JsonFieldReader([{ name: 'a', optional: false }]);
  const into = new Float64Array(1);
  const problem = (text: string): string => {
    const value = Buffer.from(text);
    const failure = reader.read(value, 0, value.length, into, 0);
    return failure === null ? 'none' : `${failure.code} ${failure.field}`;
  };
  assert.equal(problem('{"a":1}'), 'none');
  assert.equal(problem('{"a":1.5e3}'), 'none');
  assert.equal(into[0], 1500);
  assert.equal(problem('{}'), 'missing_field a');
  assert.equal(problem('{"b":{"a":1}}'), 'missing_field a');
  assert.equal(problem('{"a":"1"}'), 'invalid_field a');
  assert.equal(problem('{"a":{}}'), 'invalid_field a');
  assert.equal(problem('{"a":1e999}'), 'invalid_field a');
  for (const text of ['', 'null', '[1]', '{"a" 1}', '{"a":1', '{"a":1 "b":2}', '{"b"', '{"b":"x', '{"b":[1,'])
    assert.equal(problem(text), 'undecodable_record ', text);
});

test('of any number of fields, each one that is missing is noticed', () => {
  for (const count of [1, 31, 32, 33, 64, 100]) {
    const names = Array.from({ length: count }, (_, index) => `f${index}`);
    const reader = new JsonFieldReader(names.map((name, index) => ({ name, optional: index === 3 })));
    const read = (has: readonly string[]): string | null => {
      // the first one twice: that makes up for none
      const value = Buffer.from(`{${[...has.slice(0, 1), ...has].map((name) => `"${name}":1`).join(',')}}`);
      return reader.read(value, 0, value.length, new Float64Array(count), 0)?.field ?? null;
    };
    assert.equal(read(names), null);
    for (const [index, missing] of names.entries())
      assert.equal(read(names.filter((name) => name !== missing)), index === 3 ? null : missing, `of ${count}`);
  }
});

test('a name is found however it is written', () => {
  const character = fc.oneof(
    fc.constantFrom(...'aöß"\\/\u2028€\ud83d\ude80'),
    fc.string({ minLength: 1, maxLength: 1 }),
  );
  const name = fc.array(character, { minLength: 1, maxLength: 6 }).map((characters) => characters.join(''));
  fc.assert(
    fc.property(name, fc.infiniteStream(fc.boolean()), (wanted, choices) => {
      const reader = new JsonFieldReader([
        { name: wanted, optional: false },
        { name: 'behind', optional: true },
      ]);
      const into = new Float64Array(2);
      for (const isEscaped of [false, true, false]) {
        const written = [...wanted].map((one) => {
          const escaped = [...Array(one.length).keys()]
            .map((at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`)
            .join('');
          return isEscaped && choices.next().value === true ? escaped : JSON.stringify(one).slice(1, -1);
        });
        const value = Buffer.from(`{"${written.join('')}":7,"behind":8}`);
        assert.equal(reader.read(value, 0, value.length, into, 0), null, value.toString());
        // of a lone surrogate no bytes are left
        assert.deepEqual([...into], [7, 8], value.toString());
      }
    }),
    { numRuns: 500 },
  );
  const reader = new JsonFieldReader([{ name: 'größe', optional: false }]);
  const read = (text: string): string | null => {
    const value = Buffer.from(text);
    return reader.read(value, 0, value.length, new Float64Array(1), 0)?.code ?? null;
  };
  assert.equal(read('{"gr\\u00f6\\u00dfe":1}'), null);
  assert.equal(read('{"gr\\x":1}'), 'missing_field');
});

test('what is no number in JSON is refused, with its field', () => {
  const reader = new JsonFieldReader([{ name: 'a', optional: false }]);
  const into = new Float64Array(1);
  const read = (token: string, space = ''): string | null => {
    const value = Buffer.from(`{"a":${space}${token}${space}}`);
    return reader.read(value, 0, value.length, into, 0)?.field ?? null;
  };
  for (const token of [
    '1.',
    '01',
    '-01',
    '00',
    '00.5',
    '-00',
    '1.e5',
    '01e5',
    '1e',
    '1e+',
    '-',
    '.5',
    '-.5',
    '+1',
    '1.5e1.5',
  ])
    for (const space of ['', ' \n']) assert.equal(read(token, space), 'a', token);
  for (const token of ['0', '-0', '0.5', '-0.05', '10', '1e5', '1E+5', '0e0', '100.001', '12345678901234567890'])
    for (const space of ['', ' \n']) {
      assert.equal(read(token, space), null, token);
      assert.ok(Object.is(into[0], JSON.parse(token)), token);
    }
  const token = fc
    .array(fc.constantFrom(...'0011..5eE+-'), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(token, (one) => {
      let isNumber = true;
      try {
        isNumber = Number.isFinite(JSON.parse(one));
      } catch {
        isNumber = false;
      }
      const failure = reader.read(Buffer.from(`{"a":${one}}`), 0, one.length + 6, into, 0);
      assert.equal(failure === null, isNumber, one);
      if (isNumber) assert.ok(Object.is(into[0], JSON.parse(one)), one);
    }),
    { numRuns: 2000 },
  );
});

test('rows are written as JSON.stringify would', () => {
  const writer = new JsonRowWriter([
    { name: 'k', of: 'key' },
    { name: 'time', of: 'time' },
    { name: 'maybe', of: 'field', index: 0, nulls: false },
    { name: 'last', of: 'field', index: 1, nulls: true },
    { name: 'x"y', of: 'value', index: 0 },
    { name: 'z', of: 'value', index: 1 },
  ]);
  const value = fc.oneof(number, fc.constant(Number.NaN));
  fc.assert(
    fc.property(fc.string(), fc.nat(2 ** 45), value, value, value, value, (key, timeMs, maybe, last, x, z) => {
      const keyData = Buffer.from(`..${key}`);
      const into = Buffer.alloc(writer.bytesMax(keyData.length - 2) + 3);
      const row = {
        keyData,
        keyStart: 2,
        keyEnd: keyData.length,
        timeMs,
        fields: Float64Array.of(9, maybe, last),
        fieldsAt: 1,
        values: Float64Array.of(x, z),
      };
      const end = writer.write(into, 3, row);
      const expected = {
        k: Buffer.from(key).toString(),
        time: timeMs,
        ...(Number.isNaN(maybe) ? {} : { maybe: normal(maybe) }),
        last: Number.isNaN(last) ? null : normal(last),
        'x"y': Number.isNaN(x) ? null : normal(x),
        z: Number.isNaN(z) ? null : normal(z),
      };
      assert.deepEqual(JSON.parse(into.toString('utf8', 3, end)), expected);
    }),
    { numRuns: 500 },
  );
});
