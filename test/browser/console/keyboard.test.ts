// The console without a mouse: everything is reached in reading order, is seen when it has the focus, and works.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Browser, type Page } from 'playwright-core';
import { busyApplications } from './applications.ts';
import { busyArrows } from './arrows.ts';
import { PHONE, ask, launch, openConsole } from './browser.ts';
import { ConsoleServer } from './console-server.ts';
import { ENDPOINT, ending, loopStory } from './story.ts';

const story = loopStory();
const server = new ConsoleServer();
let browser: Browser;
before(async () => {
  server.arrows = busyArrows;
  server.applications = busyApplications;
  server.apply(story.told);
  await server.start();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.stop();
});

const INTERACTIVE = 'a[href], button, input, select, summary, [tabindex="0"]';
const focused = (page: Page): Promise<string> =>
  ask(page, '`${document.activeElement.tagName.toLowerCase()}#${document.activeElement.id}`');
/** A ring around the element, or, in a chart, around its sign. */
const isSeen = (page: Page): Promise<boolean> =>
  ask(
    page,
    `(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const sign = element.querySelector('.hit');
      if (sign !== null) return getComputedStyle(sign).stroke !== 'none' && parseFloat(getComputedStyle(sign).strokeWidth) >= 2;
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    })()`,
  );

for (const [name, size] of [
  ['a desktop', {}],
  ['a phone', PHONE],
] as const)
  test(`Tab walks through everything in the order of reading, and each stop is seen: ${name}`, async () => {
    const { page, close } = await openConsole(browser, server.url, size);
    await page.locator('#run-rows tr').first().waitFor();
    const expected = await ask<string[]>(
      page,
      `[...document.querySelectorAll('${INTERACTIVE}')].filter((element) => element.checkVisibility()).map((element) => element.tagName.toLowerCase() + '#' + element.id)`,
    );
    assert.ok(expected.length > 50, `${expected.length} stops`);
    const stops: string[] = [];
    for (const stop of expected) {
      await page.keyboard.press('Tab');
      stops.push(await focused(page));
      assert.ok(await isSeen(page), `the focus on ${stop} is seen`);
    }
    assert.deepEqual(stops, expected);
    await close();
  });

test('the first stop leads past the navigation', async () => {
  const { page, close } = await openConsole(browser, server.url);
  await page.keyboard.press('Tab');
  assert.equal(await ask(page, 'document.activeElement.textContent'), 'Skip to the content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'summary#');
  await page.keyboard.press('Enter');
  assert.ok(await page.locator('#loop-table tr').first().isVisible());
  await close();
});

test('Enter opens an event, Escape closes it, and the focus is where it was', async () => {
  const { page, close } = await openConsole(browser, server.url);
  const line = `line-${story.offsetOf('VerdictReached')}`;
  await page.locator(`#${line}`).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'VerdictReached' }).waitFor();
  assert.equal(await focused(page), 'button#event-close');
  // the page behind it is out of reach: Tab stays in the box (or goes to the browser's own controls)
  for (let stop = 0; stop < 5; stop += 1) {
    await page.keyboard.press('Tab');
    assert.ok(
      await ask(page, `document.activeElement === document.body || document.activeElement.closest('dialog') !== null`),
    );
  }
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await focused(page), `a#${line}`);
  await close();
});

test('a sign in the chart opens its event too', async () => {
  const { page, close } = await openConsole(browser, server.url);
  const sign = `mark-${story.offsetOf('AlertRaised')}`;
  await page.locator(`#${sign}`).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'AlertRaised' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await focused(page), `a#${sign}`);
  await close();
});

test('arrow keys move through the windows of a chart, and what is read out can be heard', async () => {
  const { page, close } = await openConsole(browser, server.url);
  const slider = page.getByRole('slider', { name: 'Window that is read out' });
  await slider.focus();
  const caption = page.locator(`#performance-${ENDPOINT} caption`);
  assert.equal(await caption.innerText(), 'Window to 2013-07-01, the newest');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await caption.innerText(), 'Window to 2013-06-24');
  assert.equal(
    await slider.getAttribute('aria-valuetext'),
    'Window to 2013-06-24: Live stream 0.732, Version 1 0.732, Version 2 0.754',
  );
  await page.keyboard.press('Home');
  assert.equal(await caption.innerText(), 'Window to 2013-04-08');
  assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /Version 2 –$/);
  await close();
});

test('what has the focus keeps it when the page is drawn anew', async () => {
  const lively = new ConsoleServer();
  const told = loopStory();
  lively.apply(told.told);
  await lively.start();
  const { page, close } = await openConsole(browser, lively.url);
  await page.locator(`#measure-${ENDPOINT}-brier`).focus();
  await page.keyboard.press('Space');
  assert.equal(await focused(page), `button#measure-${ENDPOINT}-brier`);
  lively.apply(told.tell(...ending()).told);
  await page.locator(`#line-${told.offsetOf('Promoted')}`).waitFor();
  assert.equal(await focused(page), `button#measure-${ENDPOINT}-brier`);
  assert.equal(await page.locator(`#measure-${ENDPOINT}-brier`).getAttribute('aria-pressed'), 'true');
  await close();
  await lively.stop();
});
