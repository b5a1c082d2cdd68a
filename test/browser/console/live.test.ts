// The open page follows the log: what comes is shown without a reload, a lost connection is told and comes back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Browser } from 'playwright-core';
import { busyArrows, quietArrows } from './arrows.ts';
import { ask, launch, openConsole } from './browser.ts';
import { ConsoleServer } from './console-server.ts';
import { ENDPOINT, Story, ending, loopStory } from './story.ts';

let browser: Browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test('events that come later appear without a reload, and nothing that stays is drawn anew', async () => {
  const server = new ConsoleServer();
  const story = loopStory();
  server.arrows = quietArrows;
  server.apply(story.told);
  await server.start();
  const { page, close } = await openConsole(browser, server.url);
  const line = `line-${story.offsetOf('AlertRaised')}`;
  await page.locator(`#${line}`).waitFor();
  await ask(page, `window.before = document.getElementById('${line}'), 0`);
  server.apply(story.tell(...ending()).told);
  server.arrows = busyArrows;
  await page.getByRole('link', { name: `Version 2 promoted to champion of ${ENDPOINT}` }).waitFor();
  await page.locator(`#facts-${ENDPOINT}`, { hasText: 'Answers from 2013-07-11 on.' }).waitFor();
  await page.locator('#loop-picture text', { hasText: '12,345/s' }).first().waitFor();
  assert.equal(await ask(page, `window.before === document.getElementById('${line}')`), true);
  await close();
  await server.stop();
});

test('a slider is not taken from under a finger: its chart is drawn anew when it is let go', async () => {
  const server = new ConsoleServer();
  const story = loopStory();
  server.apply(story.told);
  await server.start();
  const { page, close } = await openConsole(browser, server.url);
  const slider = page.getByRole('slider');
  await slider.scrollIntoViewIfNeeded();
  const box = await slider.boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  server.apply(story.tell(...ending()).told);
  await page.locator(`#line-${story.offsetOf('Promoted')}`).waitFor();
  assert.equal(await slider.getAttribute('max'), '12');
  await page.mouse.move(box.x + box.width / 4, box.y + box.height / 2);
  const caption = page.locator(`#performance-${ENDPOINT} caption`);
  const pulled = await caption.innerText();
  assert.match(pulled, /^Window to 2013-0[45]-\d\d$/);
  await page.mouse.up();
  await page.locator(`#window-${ENDPOINT}[max="14"]`).waitFor();
  // what was chosen stays chosen
  assert.equal(await caption.innerText(), pulled);
  await close();
  await server.stop();
});

test('the console of an empty platform fills up by itself', async () => {
  const server = new ConsoleServer();
  server.arrows = quietArrows;
  await server.start();
  const { page, close } = await openConsole(browser, server.url);
  await page.getByText('No endpoint yet').waitFor();
  server.apply(loopStory().told);
  await page.locator('svg.chart').waitFor();
  await page.locator('#run-rows tr').first().waitFor();
  await page.locator('#timeline-lines li').first().waitFor();
  assert.equal(await page.getByText('No endpoint yet').count(), 0);
  await close();
  await server.stop();
});

test('a gateway that goes away is told, with the time of what is shown; when it is back the page is too', async () => {
  const server = new ConsoleServer();
  const story = new Story();
  server.apply(story.tell(...loopStory().told.map(({ event }) => event)).told);
  await server.start();
  const { page, close } = await openConsole(browser, server.url, {}, true);
  const connection = page.getByRole('status');
  assert.equal(await connection.innerText(), 'Live');
  await server.stop();
  await page.locator('#connection.lost').waitFor();
  assert.match(await connection.innerText(), /^Connection lost, as of \d\d:\d\d:\d\d UTC, trying again …$/);
  // what was known stays to be read
  assert.ok(await page.locator(`#facts-${ENDPOINT}`).isVisible());
  server.apply(story.tell(...ending()).told);
  await server.start();
  await page.locator('#connection.live').waitFor();
  assert.equal(await connection.innerText(), 'Live');
  await page.getByRole('link', { name: `Version 2 promoted to champion of ${ENDPOINT}` }).waitFor();
  await close();
  await server.stop();
});
