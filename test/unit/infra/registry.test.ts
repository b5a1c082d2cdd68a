// The registry's answers, good and bad, over real HTTP; time is moved by hand.
import assert from 'node:assert/strict';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { HttpSchemaRegistry } from '../../../infra/registry.ts';
import { type AvroSchema } from '../../../schemas/codec.ts';
import { Failure } from '../../../schemas/failure.ts';
import { type Clock } from '../../../streams/clock.ts';

let nowMs = 0;
/** Sleeping moves it. */
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  sleep: async (ms) => {
    nowMs += ms;
  },
};
const record: AvroSchema = { type: 'record', name: 'Visit', fields: [{ name: 'page', type: 'string' }] };

type Reply = { readonly status: number; readonly body?: unknown };
let reply: (request: IncomingMessage) => Reply;
let asked: string[] = [];
let server: Server;
let address = '';

before(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, body } = reply(request);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = server.address();
  address = `127.0.0.1:${typeof at === 'object' && at !== null ? at.port : 0}`;
});
after(() => server.close());
beforeEach(() => {
  asked = [];
  nowMs = 1000;
});

const registry = (userInfo = ''): HttpSchemaRegistry => new HttpSchemaRegistry(`http://${userInfo}${address}`, clock);
const failing =
  (code: string, words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof Failure && error.code === code && words.test(error.advice);

test('a schema is given by its id', async () => {
  reply = () => ({ status: 200, body: { schema: JSON.stringify(record) } });
  assert.deepEqual(await registry().schemaOf(7), record);
  assert.deepEqual(asked, ['GET /schemas/ids/7']);
});

test('an id that is unknown only for a moment is asked for again', async () => {
  reply = () => (asked.length < 4 ? { status: 404 } : { status: 200, body: { schema: JSON.stringify(record) } });
  assert.deepEqual(await registry().schemaOf(7), record);
});

test('a flood of unknown ids waits once, then each is asked for once a minute', async () => {
  reply = () => ({ status: 404 });
  const one = registry();
  for (let id = 1; id <= 50; id += 1)
    await assert.rejects(one.schemaOf(id), failing('undecodable_record', /Register the schema/));
  assert.ok(nowMs - 1000 < 3000, `${nowMs - 1000} ms were waited`);
  const before = asked.length;
  await assert.rejects(one.schemaOf(50));
  assert.equal(asked.length, before, 'not asked again');
  nowMs += 61_000;
  reply = () => ({ status: 200, body: { schema: JSON.stringify(record) } });
  assert.deepEqual(await one.schemaOf(50), record);
});

test('schemas of other kinds are no reason to stop', async () => {
  for (const body of [
    { schemaType: 'PROTOBUF', schema: 'syntax = "proto3"; message Visit { string page = 1; }' },
    { schemaType: 'JSON', schema: '{"type": "object"}' },
    { schema: '"string"' },
    { schema: 'null' },
  ]) {
    reply = () => ({ status: 200, body });
    await assert.rejects(registry().schemaOf(3), failing('undecodable_record', /Schema 3 is no Avro record/));
    assert.equal(await registry().latest('visits-value'), null);
  }
});

test('user and password of the address go into a header, not into the address or a message', async () => {
  let authorization: string | undefined;
  reply = (request) => {
    authorization = request.headers.authorization;
    return authorization === undefined
      ? { status: 401 }
      : { status: 200, body: { id: 4, schema: JSON.stringify(record) } };
  };
  const known = registry('ada:p%40ss@');
  assert.deepEqual(await known.schemaOf(4), record);
  assert.equal(authorization, `Basic ${Buffer.from('ada:p@ss').toString('base64')}`);
  await assert.rejects(registry().schemaOf(4), failing('unauthorized', /SCHEMA_REGISTRY_URL/));
  reply = () => ({ status: 403 });
  await assert.rejects(
    known.schemaOf(5),
    (error: unknown) => error instanceof Failure && !error.advice.includes('p@ss'),
  );
});

test('the newest schema of a subject, or none', async () => {
  reply = ({ url }) =>
    url === '/subjects/my.visits-value/versions/latest'
      ? { status: 200, body: { schema: JSON.stringify(record) } }
      : { status: 404 };
  assert.deepEqual(await registry().latest('my.visits-value'), record);
  assert.equal(await registry().latest('others-value'), null);
  assert.equal(nowMs, 1000, 'nothing was waited for');
});

/** A registry whose subject has this level, which takes every schema as number 9; its global level is BACKWARD. */
const subjectAt =
  (level: string | null, taken: Reply = { status: 200, body: { id: 9 } }) =>
  ({ method, url }: IncomingMessage): Reply => {
    if (url === '/config') return { status: 200, body: { compatibilityLevel: 'BACKWARD' } };
    if (method !== 'GET' || url?.startsWith('/config/') !== true) return method === 'PUT' ? { status: 200 } : taken;
    return level === null ? { status: 404 } : { status: 200, body: { compatibilityLevel: level } };
  };

for (const level of ['BACKWARD_TRANSITIVE', 'FULL_TRANSITIVE', null])
  test(`a subject with level ${level}: a schema is registered, and the level stays`, async () => {
    reply = subjectAt(level);
    assert.equal(await registry().register('visits-value', record), 9);
    const set = asked.filter((request) => request.startsWith('PUT /config/'));
    assert.equal(set.length, level === null ? 1 : 0, set.join());
    assert.equal(nowMs, 1000, 'nothing was waited for');
  });

for (const level of ['FORWARD_TRANSITIVE', 'FULL', 'NONE'])
  test(`a subject with level ${level}: told at once, and nothing is registered`, async () => {
    reply = subjectAt(level);
    const words = new RegExp(`is ${level} \\(registering visits-value\\)\\. Set it to BACKWARD_TRANSITIVE`);
    await assert.rejects(registry().register('visits-value', record), failing('conflict', words));
    assert.deepEqual(asked, ['GET /config/visits-value', 'GET /config']);
    assert.equal(nowMs, 1000, 'nothing was waited for');
  });

test('a subject that somebody made, without a level of its own: gets one first, then the schema', async () => {
  // as Apicurio answers: with the global level
  let level = 'BACKWARD';
  reply = (request) => {
    const answer = subjectAt(level)(request);
    if (request.method === 'PUT') level = 'BACKWARD_TRANSITIVE';
    return answer;
  };
  assert.equal(await registry().register('visits-value', record), 9);
  assert.deepEqual(asked.slice(-3), [
    'PUT /config/visits-value',
    'GET /config/visits-value',
    'POST /subjects/visits-value/versions',
  ]);
  assert.equal(nowMs, 1000, 'nothing was waited for');
});

for (const before of [null, 'BACKWARD'])
  test(`another process gives a subject with level ${before} its level at the same time: ours is registered all the same`, async () => {
    let level = before;
    reply = (request) => {
      const answer = subjectAt(level)(request);
      if (request.method !== 'PUT') return answer;
      level = 'BACKWARD_TRANSITIVE';
      return { status: 409, body: { error_code: 409, message: "A rule named 'COMPATIBILITY' already exists." } };
    };
    assert.equal(await registry().register('visits-value', record), 9);
    assert.equal(asked.filter((request) => request.startsWith('PUT /config/')).length, 1);
    assert.ok(nowMs < 2000, `${nowMs - 1000} ms were waited for`);
  });

test('a schema that the registry refuses is told at once, and may be tried again', async () => {
  const one = registry();
  for (const [status, code] of [
    [409, 'conflict'],
    [400, 'invalid_field'],
    [422, 'invalid_field'],
  ] as const) {
    reply = subjectAt(null, { status, body: { error_code: status, message: 'not this one' } });
    await assert.rejects(one.register('visits-value', record), failing(code, /registering visits-value.*not this one/));
  }
  assert.equal(nowMs, 1000, 'nothing was waited for');
  reply = subjectAt(null);
  assert.equal(await one.register('visits-value', record), 9);
});

test('a registry that is busy is asked again', async () => {
  const refusals = [503, 429, 404].map((status) => subjectAt('BACKWARD_TRANSITIVE', { status }));
  reply = (request) =>
    ((request.method === 'POST' ? refusals.pop() : null) ?? subjectAt('BACKWARD_TRANSITIVE'))(request);
  assert.equal(await registry().register('visits-value', record), 9);
});

test('a registry that never answers is named after a minute', async () => {
  reply = () => ({ status: 503 });
  await assert.rejects(registry().schemaOf(4), failing('unreachable', /Check SCHEMA_REGISTRY_URL/));
  const given = new HttpSchemaRegistry(`http://${address}`, clock, '--registry');
  await assert.rejects(given.schemaOf(4), failing('unreachable', /Check --registry/));
});

test('a registry that is not there is not taken for one that refuses the schema', async () => {
  // the client tries some times by itself, by a clock of its own
  const quick: Clock = { ...clock, sleep: () => clock.sleep(30_000) };
  // nothing listens on port 1
  const absent = new HttpSchemaRegistry('http://127.0.0.1:1', quick);
  await assert.rejects(absent.register('visits-value', record), failing('unreachable', /Check SCHEMA_REGISTRY_URL/));
});
