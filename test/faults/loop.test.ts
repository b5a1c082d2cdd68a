// The whole platform on a slice of the flights: undisturbed, then asked about what it did; with all derived state deleted, then
// made to change its mind; and with more workers while every process is killed in turn. The values in the topics, as ClickHouse
// has them, must be the same each time.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkDrawnFeatures, checkPredictedFeatures, sliceOf } from './loop/features.ts';
import { checkHttp } from './loop/over-http.ts';
import { checkQuestions, checkReceipts } from './loop/questions.ts';
import { checkSwitching } from './loop/switching.ts';
import { type DemoReport, Platform } from './platform.ts';
import { QUICK_SAMPLE, UNTIL, assertSame, standingDemo, stormyDemo } from './storm.ts';

describe('the loop on a slice of the flights', () => {
  let calm: Platform;
  let calmReport: DemoReport;

  before(async () => {
    calm = await Platform.make();
    calmReport = await standingDemo(calm);
  });
  after(() => calm.remove());

  it('scores every request after the start of serving exactly once, and joins the outcomes', () => {
    const live = calmReport.auc.filter(({ purpose }) => purpose === 'live');
    assert.ok(live.reduce((sum, { rows }) => sum + rows, 0) > 2000, JSON.stringify(calmReport.auc));
    assert.deepEqual(calmReport.dead_letters, {});
    for (const { auc } of live) assert.ok(auc > 0.6, `AUC ${auc}`);
  });

  const slice = sliceOf(QUICK_SAMPLE, Date.parse('2013-01-01T00:00:00Z'), Date.parse(UNTIL));
  checkDrawnFeatures(() => calm, slice);
  checkPredictedFeatures(() => calm, slice);
  checkHttp(() => calm);
  checkQuestions(
    () => calm,
    () => calmReport,
  );
  checkReceipts(() => calm);

  it('comes back from the log, equal, when every state folder and the ClickHouse data are deleted', async () => {
    await calm.stop();
    for (const part of ['state', 'clickhouse']) {
      assert.ok(existsSync(join(calm.folder, part)), part);
      rmSync(join(calm.folder, part), { recursive: true });
    }
    assertSame(await standingDemo(calm), calmReport, 0);
  });

  checkSwitching(() => calm);

  it('gives the same values when every process is killed once and four workers share the work', async (context) => {
    await calm.stop();
    const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? Date.now() % 100_000);
    context.diagnostic(`seed ${seed} (repeat with MILLRACE_TEST_SEED=${seed})`);
    const { report, killed } = await stormyDemo(seed);
    context.diagnostic(`killed ${killed.join(', ')}`);
    assertSame(report, calmReport, seed);
  });
});
