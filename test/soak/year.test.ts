// The whole year at full size: the figures that FLIGHTS.md and the first issue ask for, and features against the raw file in July.
// Takes ten minutes: `npm test -- soak`, or this file alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ClickHouseSql } from '../../infra/clickhouse/client.ts';
import { systemClock } from '../../infra/clock.ts';
import { type Report } from '../../infra/demo/report.ts';
import { clickhouseUrlOf } from '../../infra/settings.ts';
import { checkDrawnFeatures, sliceOf } from '../faults/loop/features.ts';
import { Platform } from '../faults/platform.ts';

const WITHIN_MS = 1_500_000;

/** Both versions on the requests of July that both have scored. */
const ON_THE_SAME_ROWS = `
  SELECT new.version AS version, count() AS rows,
         arrayROCAUC(groupArray(old.score), groupArray(old.label)) AS old_auc,
         arrayROCAUC(groupArray(new.score), groupArray(new.label)) AS new_auc
  FROM (SELECT request_id, version, any(score) AS score, any(label) AS label FROM millrace.flight_delay_results
        WHERE version > 1 AND toYYYYMM(prediction_time) = 201307 GROUP BY request_id, version) AS new
  INNER JOIN (SELECT request_id, any(score) AS score, any(label) AS label FROM millrace.flight_delay_results
        WHERE version = 1 AND toYYYYMM(prediction_time) = 201307 GROUP BY request_id) AS old
  ON old.request_id = new.request_id GROUP BY version ORDER BY version`;

describe('the year', () => {
  let platform: Platform;
  let report: Report;

  before(async () => {
    platform = await Platform.make();
    const path = join(platform.folder, 'report.json');
    platform.start(['demo', '--report', path]);
    await platform.says(/The platform stays up/, WITHIN_MS);
    report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  });
  after(() => platform.remove());

  it('the model of January to March keeps its AUC: April 0.775, July 0.760', (context) => {
    context.diagnostic(JSON.stringify({ loop: report.loop, durations_s: report.durations_s, rates: report.rates }));
    const aucOf = (month: string): number =>
      report.loop.find((row) => row.month === month)?.first_champion ?? assert.fail(month);
    assert.ok(aucOf('2013-04') >= 0.775, `April ${aucOf('2013-04')}`);
    assert.ok(aucOf('2013-07') >= 0.76, `July ${aucOf('2013-07')}`);
  });

  it('a retrained model beats the old one in July on the same rows', async (context) => {
    const sql = new ClickHouseSql(clickhouseUrlOf(platform.settings), systemClock);
    const versions = await sql.query<{ version: number; rows: number; old_auc: number; new_auc: number }>(
      ON_THE_SAME_ROWS,
    );
    context.diagnostic(JSON.stringify(versions));
    const [first] = versions;
    assert.ok(first !== undefined, 'no other version has scored in July');
    assert.ok(first.rows > 10_000, `${first.rows} rows`);
    assert.ok(first.new_auc > first.old_auc, JSON.stringify(first));
  });

  const july = sliceOf(1, Date.parse('2013-07-01T00:00:00Z'), Date.parse('2013-08-01T00:00:00Z'));
  checkDrawnFeatures(() => platform, july);
});
