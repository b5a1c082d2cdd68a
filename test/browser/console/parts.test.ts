// What each part of the console says, word by word and number by number.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Browser, type Page } from 'playwright-core';
import { busyArrows, quietArrows } from './arrows.ts';
import { launch, openConsole } from './browser.ts';
import { ConsoleServer } from './console-server.ts';
import { ENDPOINT, QUIET, Story, define, ending, loopStory } from './story.ts';

let browser: Browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Opens the console over a story; `look` looks at it. */
async function shown(story: Story, look: (page: Page, server: ConsoleServer) => Promise<void>): Promise<void> {
  const server = new ConsoleServer();
  server.arrows = busyArrows;
  server.apply(story.told);
  await server.start();
  try {
    const { page, close } = await openConsole(browser, server.url);
    await look(page, server);
    await close();
  } finally {
    await server.stop();
  }
}

const article = (page: Page, name = ENDPOINT) => page.getByRole('article', { name });
const wordsOf = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).innerText()).replaceAll(/\s+/g, ' ');

test('the loop: rate and lag at each arrow, in the picture, in its words and in the table', async () => {
  await shown(loopStory(), async (page) => {
    const picture = page.locator('#loop-picture svg');
    const texts = await picture.locator('text').allTextContents();
    for (const words of ['source events', '12,345/s', 'lag 123,456', 'lag 8.5 d', 'trainings', '128 in all'])
      assert.ok(texts.includes(words), `${words} in ${texts.join(' | ')}`);
    const label = (await picture.getAttribute('aria-label')) ?? '';
    assert.match(label, /upstream to features: source events 12,345\/s, 9,876,543 in all, lag 123,456 records/);
    assert.match(label, /retraining to training: trainings <0\.1\/s, 128 in all, lag 12 open/);
    await page.getByText('The loop as a table').click();
    const rows = await page.locator('#loop-table tr').allInnerTexts();
    assert.equal(rows.length, busyArrows.length);
    assert.match(rows[0] ?? '', /^upstream\s+features\s+source events\s+12,345\/s\s+9,876,543\s+123,456 records$/);
    assert.match(rows[1] ?? '', /8\.5 d of event time$/);
  });
});

test('the endpoint: champion, challenger in its step, newest AUC, alert, verdict', async () => {
  await shown(loopStory(), async (page) => {
    const facts = await wordsOf(page, `#facts-${ENDPOINT}`);
    assert.match(facts, /Champion Version 1 Answers from 2013-04-01 on\./);
    assert.match(facts, /Challenger Version 2 shadow canary 10 % champion/);
    assert.match(facts, /AUC, newest window 0\.728 95 % interval 0\.698 to 0\.758; 800 rows\./);
    assert.match(facts, /Alerts 1 Last: label_rate, 2013-06-12/);
    assert.match(facts, /Decided up to 2013-07-03/);
    assert.equal(await page.locator('.steps [aria-current=step]').innerText(), 'canary 10 %');
    assert.equal(
      await wordsOf(page, `#verdict-${ENDPOINT}`),
      'Last verdict on a challenger: pass. The gain is 0.02, wholly above 0.',
    );
  });
});

test('measures over time: a line per version with its interval, units at the axis, one window read out', async () => {
  await shown(loopStory().tell(...ending()), async (page) => {
    const part = page.locator(`#performance-${ENDPOINT}`);
    assert.equal(await part.locator('svg.chart path.line').count(), 3);
    assert.ok((await part.locator('svg.chart text').allTextContents()).includes('Apr 2013'));
    const rows = async () => (await part.locator('tbody tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));
    assert.equal(await part.locator('caption').innerText(), 'Window to 2013-07-15, the newest');
    assert.deepEqual(await rows(), [
      'Live stream 0.745 0.715 – 0.775 800',
      'Version 1 0.720 0.690 – 0.750 800',
      'Version 2 0.745 0.715 – 0.775 800',
    ]);
    await part.getByRole('button', { name: 'Label rate' }).click();
    assert.equal(await part.locator('h4').innerText(), 'Label rate over time, by model version');
    assert.ok((await part.locator('svg.chart text').allTextContents()).includes('35 %'));
    assert.match((await rows())[0] ?? '', /^Live stream 35\.0 % – 800$/);
    // pointing at the chart reads out another window; leaving it goes back
    await part.locator('svg.chart').scrollIntoViewIfNeeded();
    const box = await part.locator('svg.chart').boundingBox();
    assert.ok(box !== null);
    await page.mouse.move(box.x + 60, box.y + box.height / 2);
    assert.equal(await part.locator('caption').innerText(), 'Window to 2013-04-08');
    await page.mouse.move(box.x + 60, box.y - 40);
    assert.equal(await part.locator('caption').innerText(), 'Window to 2013-07-15, the newest');
  });
});

test('alert and promotions are signs in the chart that lead to their events', async () => {
  await shown(loopStory().tell(...ending()), async (page) => {
    const marks = page.locator('svg.chart a');
    await marks.nth(2).waitFor();
    const labels = await Promise.all([0, 1, 2].map((index) => marks.nth(index).getAttribute('aria-label')));
    assert.deepEqual(labels, [
      'Version 1 promoted, 2013-04-01',
      'Alert: label_rate, 2013-06-12',
      'Version 2 promoted, 2013-07-11',
    ]);
    assert.equal(await marks.count(), 3);
    await marks.nth(1).locator('.hit').click();
    const dialog = page.getByRole('dialog', { name: 'AlertRaised' });
    await dialog.waitFor();
    assert.match(await dialog.locator('pre').innerText(), /"value": 0\.3059/);
  });
});

test('drift: score and label first, then what drifted most; reasons on demand', async () => {
  await shown(loopStory(), async (page) => {
    const part = page.locator(`#drift-${ENDPOINT}`);
    assert.match(await part.innerText(), /In the window to 2013-07-01, 8 of 10 differ/);
    const rows = async () => (await part.locator('tbody tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));
    const first = await rows();
    assert.equal(first.length, 8);
    assert.match(first[0] ?? '', /^score 0\.090 0\.200 ok/);
    assert.match(first[1] ?? '', /^label 0\.180 0\.200 ok/);
    assert.match(first[2] ?? '', /^distance 0\.900 0\.200 drift, 2 of 2/);
    assert.match(
      (await part.locator('.spark').nth(2).getAttribute('aria-label')) ?? '',
      /PSI over 9 windows: highest 0\.900 in the window to 2013-07-01; 7 say drift/,
    );
    const why = part.getByRole('button', { name: 'distance: drift, 2 of 2; reasons' });
    await why.click();
    assert.equal(await why.getAttribute('aria-expanded'), 'true');
    assert.match(await part.locator('.reasons').innerText(), /PSI 0\.900 of distance\./);
    await part.getByRole('button', { name: 'Show all 10' }).click();
    assert.equal((await rows()).length, 11);
  });
});

test('runs: status, duration, version and the last step of each metric', async () => {
  await shown(loopStory(), async (page) => {
    const rows = (await page.locator('#run-rows tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));
    assert.deepEqual(rows, [
      'training-2 22222222 finished 2026-01-05 10:02:00 took 42 s flight-delay version 2 auc 0.7712 rows 76,543',
      'training-1 11111111 finished 2026-01-05 10:01:00 took 42 s flight-delay version 1 auc 0.7834 rows 76,543',
    ]);
    const href = await page.getByRole('link', { name: 'training-2' }).getAttribute('href');
    assert.equal(href, `/api/2.0/mlflow/runs/get?run_id=${'2'.repeat(32)}`);
  });
});

test('the time line: every entry leads to its own event; kinds can be picked', async () => {
  const story = loopStory().tell(...ending());
  await shown(story, async (page) => {
    const lines = page.locator('#timeline-lines li');
    const count = await lines.count();
    for (const name of ['AlertRaised', 'VerdictReached', 'Promoted'] as const) {
      const offset = story.offsetOf(name);
      await page.locator(`#line-${offset}`).click();
      await page.getByRole('dialog', { name }).waitFor();
      assert.match(await wordsOf(page, '#event-place'), new RegExp(`Offset ${offset} `));
      await page.getByRole('button', { name: 'Close' }).click();
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
      await page.waitForURL(({ hash }) => hash === '');
    }
    const dates = await lines.locator('time').allInnerTexts();
    assert.equal(dates[0], '2013-07-11');
    // as many as the endpoint counts: a retraining that was asked for is none
    await page.getByRole('button', { name: 'Alerts 1' }).click();
    assert.equal(await lines.count(), 1);
    await page.getByRole('button', { name: 'Definitions 5' }).click();
    assert.equal(await lines.count(), 5);
    await page.getByRole('button', { name: /^Everything/ }).click();
    assert.equal(await lines.count(), count);
  });
});

test('an address with an event opens it; one that is not there is answered in words', async () => {
  const story = loopStory();
  await shown(story, async (page, server) => {
    await page.goto(`${server.url}#event-${story.offsetOf('AlertRaised')}`);
    await page.getByRole('dialog', { name: 'AlertRaised' }).waitFor();
    await page.keyboard.press('Escape');
    const answer = await fetch(`${server.url}console/event/99999`);
    assert.equal(answer.status, 404);
    assert.match(((await answer.json()) as { error: string }).error, /no event at offset 99999/);
  });
});

test('two endpoints: each has its own part; the one that nobody watches says so', async () => {
  await shown(loopStory(), async (page) => {
    assert.deepEqual(await page.locator('#endpoint-list h3').allInnerTexts(), [ENDPOINT, QUIET]);
    const quiet = await article(page, QUIET).innerText();
    assert.match(quiet, /Champion\s+none\s+Waiting for the first approved version\./);
    assert.match(quiet, /No monitor watches this endpoint/);
    assert.equal(await article(page, QUIET).locator('svg.chart').count(), 0);
    assert.equal(await article(page).locator('svg.chart').count(), 1);
    // a choice at one is no choice at the other
    await article(page, QUIET).getByRole('button', { name: 'Brier score' }).click();
    assert.equal(
      await article(page).getByRole('button', { name: 'AUC', exact: true }).getAttribute('aria-pressed'),
      'true',
    );
  });
});

test('an endpoint that is watched but has no window yet waits for it', async () => {
  const story = new Story().tell(
    define('endpoint', ENDPOINT, { model: ENDPOINT }),
    define('monitor', 'weekly', { endpoint: ENDPOINT }),
  );
  await shown(story, async (page) => {
    const words = await article(page).innerText();
    assert.match(words, /waiting for the first window that is over and has its outcomes/);
    assert.match(words, /No drift yet/);
  });
});

test('the empty platform says what it waits for', async () => {
  await shown(new Story(), async (page, server) => {
    const words = await page.locator('main').innerText();
    for (const part of [/No endpoint yet/, /No run yet/, /Nothing happened yet/]) assert.match(words, part);
    server.arrows = quietArrows;
    await page.locator('#loop-picture text', { hasText: '0 in all' }).first().waitFor();
    assert.doesNotMatch(await page.locator('body').innerText(), /undefined|NaN|Infinity/);
  });
});
