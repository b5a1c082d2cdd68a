// The views for people over the lifecycle's events: every column has its event's value, instants as instants.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ChdbServer } from '../../../infra/clickhouse/chdb-server.ts';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { createTable, createViews, eventsTable } from '../../../infra/clickhouse/tables.ts';
import { systemClock } from '../../../infra/clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-views-'));
const options = { dataDir: folder, host: '127.0.0.1', port: 0 };
const server = new ChdbServer(options);
let sql: ClickHouseSql;

before(async () => {
  sql = new ClickHouseSql(`http://127.0.0.1:${await server.start(options)}`, systemClock);
  await sql.exec('CREATE DATABASE millrace');
  for (const table of ['lifecycle', 'metrics']) await sql.exec(createTable(eventsTable(table)));
  for (const view of createViews('lifecycle', 'metrics')) await sql.exec(view);
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function tell(table: string, name: string, event: Readonly<Record<string, unknown>>): Promise<void> {
  await sql.exec(`INSERT INTO millrace.${table} (_name, json) SELECT '${name}', '${JSON.stringify(event)}'`);
}

const rowsOf = (view: string): Promise<unknown[]> => sql.query(`SELECT * EXCEPT _offset FROM millrace.${view}`);

const AT_MS = Date.parse('2013-08-29T01:02:03.004Z');
const AT = '2013-08-29 01:02:03.004';

test('instants are told as instants, also those that may be null', async () => {
  const promoted = { endpoint: 'e', model: 'm', version: 2, previous_version: 1, reason: 'r' };
  await tell('lifecycle', 'Promoted', { ...promoted, effective_from: AT_MS });
  assert.deepEqual(await rowsOf('promotions'), [{ ...promoted, effective_from: AT }]);
  await sql.exec('TRUNCATE TABLE millrace.lifecycle');
  await tell('lifecycle', 'Promoted', { ...promoted, effective_from: null });
  assert.deepEqual(await rowsOf('promotions'), [{ ...promoted, effective_from: null }]);
});

test('the other views have what their events have', async () => {
  const alert = {
    alert_id: 'a',
    monitor: 'm',
    endpoint: 'e',
    name: 'auc',
    subject: 's',
    value: 0.5,
    threshold: 0.7,
    reason: 'r',
  };
  await tell('lifecycle', 'AlertRaised', { ...alert, event_time: AT_MS });
  assert.deepEqual(await rowsOf('alerts'), [{ ...alert, event_time: AT }]);
  const verdict = {
    rollout_id: 'o',
    endpoint: 'e',
    verdict: 'wait',
    metric: 'auc',
    rows: 3,
    difference: null,
    low: 0.25,
    high: null,
    reason: 'r',
  };
  await tell('lifecycle', 'VerdictReached', { ...verdict, event_time: AT_MS });
  assert.deepEqual(await rowsOf('verdicts'), [{ ...verdict, event_time: AT }]);
  const run = { run_id: 'r', experiment_id: 'x', run_name: 'n' };
  await tell('lifecycle', 'RunStarted', { ...run, started_at: AT_MS });
  assert.deepEqual(await rowsOf('runs'), [{ ...run, started_at: AT }]);
  const metric = { run_id: 'r', key: 'auc', value: 0.5, step: 7 };
  await tell('metrics', 'RunMetric', { ...metric, timestamp: AT_MS });
  assert.deepEqual(await sql.query('SELECT run_id, key, value, step, timestamp FROM millrace.run_metrics'), [
    { ...metric, timestamp: AT },
  ]);
});
