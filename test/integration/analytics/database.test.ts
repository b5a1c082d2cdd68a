// Which database a statement means, on the embedded ClickHouse: each request its own, though the session is shared.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ChdbServer } from '../../../infra/clickhouse/chdb-server.ts';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { systemClock } from '../../../infra/clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-database-'));
const options = { dataDir: folder, host: '127.0.0.1', port: 0 };
const server = new ChdbServer(options);
let url: string;
let sql: ClickHouseSql;

before(async () => {
  url = `http://127.0.0.1:${await server.start(options)}`;
  sql = new ClickHouseSql(url, systemClock);
  for (const database of ['millrace', 'other', 'od`d']) {
    const name = `\`${database.replace('`', '\\`')}\``;
    await sql.exec(`CREATE DATABASE ${name}`);
    await sql.exec(`CREATE TABLE ${name}.place (name String) ENGINE = MergeTree ORDER BY name`);
    await sql.exec(`INSERT INTO ${name}.place SELECT currentDatabase() || ' made ${database}'`);
  }
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const CURRENT = 'SELECT currentDatabase()';

async function ask(statement: string, query = '', headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${url}/?${query}`, { method: 'POST', body: statement, headers });
  return (await response.text()).trim();
}

test('`millrace sql` finds a table of the platform by its bare name, and by its whole one', async () => {
  assert.equal(await sql.text('SELECT name FROM place', 'TabSeparated'), 'default made millrace\n');
  assert.equal(await sql.text('SELECT name FROM millrace.place', 'TabSeparated'), 'default made millrace\n');
  assert.equal(await sql.text('SELECT name FROM other.place', 'TabSeparated'), 'default made other\n');
  assert.equal(await sql.text('SHOW TABLES', 'TabSeparated'), 'place\n');
});

test('a database that a request names is that of the request alone', async () => {
  assert.equal(await ask('SELECT name FROM place', 'database=other'), 'default made other');
  assert.equal(
    await ask('SELECT name FROM place', '', { 'X-ClickHouse-Database': 'millrace' }),
    'default made millrace',
  );
  assert.equal(await ask(CURRENT, 'database=other', { 'X-ClickHouse-Database': 'millrace' }), 'other');
  assert.equal(await ask('SELECT name FROM place', `database=${encodeURIComponent('od`d')}`), 'default made od`d');
  assert.equal(await ask(CURRENT), 'default');
  const mixed = ['millrace', 'other', 'default', 'other', 'millrace'];
  assert.deepEqual(await Promise.all(mixed.map((database) => ask(CURRENT, `database=${database}`))), mixed);
});

test('USE in one request means nothing to the next', async () => {
  await ask('USE other');
  assert.equal(await ask(CURRENT), 'default');
  await ask('/* of a client */ use other', 'database=millrace');
  assert.equal(await ask(CURRENT, 'database=millrace'), 'millrace');
});

test('rows go into the table of the database that the insert names', async () => {
  const row = Buffer.from('more\n');
  for (const database of ['other', 'millrace'])
    await fetch(`${url}/?database=${database}&query=${encodeURIComponent('INSERT INTO place FORMAT TabSeparated')}`, {
      method: 'POST',
      body: row,
    });
  assert.equal(await ask('SELECT count() FROM other.place'), '2');
  assert.equal(await ask('SELECT count() FROM millrace.place'), '2');
});

test('a database that is not there is told, and the next request does not suffer', async () => {
  assert.match(await ask(CURRENT, 'database=nowhere'), /^Code: 81\./);
  assert.equal(await ask(CURRENT), 'default');
  await ask('CREATE DATABASE brief');
  assert.equal(await ask(CURRENT, 'database=brief'), 'brief');
  await ask('DROP DATABASE brief', 'database=brief');
  assert.match(await ask(CURRENT, 'database=brief'), /^Code: 81\./);
  assert.equal(await ask(CURRENT, 'database=millrace'), 'millrace');
});
