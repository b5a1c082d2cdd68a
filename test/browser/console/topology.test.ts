// The running topologies in the console: what the picture says, that its words fit, and that it is reached without a mouse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Browser, type Page } from 'playwright-core';
import { busyApplications } from './applications.ts';
import { quietArrows } from './arrows.ts';
import { PHONE, ask, launch, openConsole } from './browser.ts';
import { ConsoleServer } from './console-server.ts';

let browser: Browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

async function shown(
  look: (page: Page, server: ConsoleServer) => Promise<void>,
  size: Parameters<typeof openConsole>[2] = {},
): Promise<void> {
  const server = new ConsoleServer();
  server.arrows = quietArrows;
  server.applications = busyApplications;
  await server.start();
  try {
    const { page, close } = await openConsole(browser, server.url, size);
    await page.locator('svg.topology').waitFor();
    await look(page, server);
    await close();
  } finally {
    await server.stop();
  }
}

const choose = (page: Page, id: string) => page.getByLabel('Application', { exact: true }).selectOption(id);
const rowsOf = async (page: Page): Promise<string[]> =>
  (await page.locator('#topology-table tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));

test('the picture of an application: topics, what reads and writes them, each task with its rate and its lag', async () => {
  await shown(async (page) => {
    await choose(page, 'features.origin_weather');
    const picture = page.locator('svg.topology.across');
    const texts = await picture.locator('text').allTextContents();
    for (const words of ['origin_weather', 'route', 'window', 'state windows', '300/s', '123,456', '12'])
      assert.ok(texts.includes(words), `${words} in ${texts.join(' | ')}`);
    assert.equal(await picture.locator('rect.topic').count(), 3);
    assert.equal(await picture.locator('rect.tasks').count(), 2);
    assert.equal(await picture.locator('path.arrow.flows').count(), 4);
    const label = (await picture.getAttribute('aria-label')) ?? '';
    assert.match(label, /^Topology of features\.origin_weather\. route reads origin_weather, writes millrace\./);
    assert.match(label, /window reads \S+, keeps windows, writes \S+, 4 tasks, 1,000\/s, lag 48\.$/);

    await choose(page, 'scoring.flight-delay');
    assert.equal(await page.locator('svg.topology path.arrow.whole').count(), 3);
  });
});

test('the same as a table and in words', async () => {
  await shown(async (page) => {
    await choose(page, 'features.origin_weather');
    await page.getByText('The tasks as a table').click();
    const rows = await rowsOf(page);
    assert.equal(rows.length, 8);
    assert.equal(rows[2], 'route-2 features 0 – 300/s 123,456 0 0 –');
    assert.equal(rows[4], 'window-0 features 0 2013-06-12 08:30:00 100/s 0 12 1,234 4.3 MB');
    await page.getByText('The topology in words').click();
    const words = await page.locator('#topology-words').innerText();
    assert.equal(words, busyApplications.find(({ id }) => id === 'features.origin_weather')?.words);
    assert.match(words, /keeps windows \(changelog/);
  });
});

test('many tasks: the first ones, and the rest together; a state that is being restored is told', async () => {
  await shown(async (page, server) => {
    const texts = await page.locator('svg.topology text').allTextContents();
    assert.ok(texts.includes('+4') && texts.includes('395,098'), texts.join(' | '));
    const [first, ...others] = busyApplications;
    assert.ok(first !== undefined);
    const state = { name: 'own.counts-3', role: 'restoring', position: 1000, end: 4500, records: 900 } as const;
    server.applications = [{ ...first, states: [{ ...state, at: 'stream 0' }] }, ...others];
    await page.getByText('1 state being restored, 3,500 records to go').waitFor();
  });
});

test('the keyboard chooses an application; what comes later changes neither the choice nor what is unfolded', async () => {
  await shown(async (page, server) => {
    const select = page.getByLabel('Application', { exact: true });
    await select.focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await select.inputValue(), 'features.origin_weather');
    await page.locator('svg.topology rect.tasks').nth(1).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(
      await ask(page, 'document.activeElement.getAttribute("aria-label")'),
      'Tasks of the application',
      'a table that is wider than the window is scrolled by keys',
    );
    server.applications = busyApplications.map((one) => ({
      ...one,
      tasks: one.tasks.map((task) => ({ ...task, perSecond: 7 })),
    }));
    await page
      .locator('svg.topology text', { hasText: /^7\/s$/ })
      .first()
      .waitFor();
    assert.equal(await select.inputValue(), 'features.origin_weather');
    assert.match((await rowsOf(page))[0] ?? '', /^route-0 .* 7\/s/);
    assert.ok(await page.locator('#topology-table tr').first().isVisible());
  });
});

test('what ends is gone; without an application it is said so', async () => {
  await shown(async (page, server) => {
    await choose(page, 'scoring.flight-delay');
    server.applications = busyApplications.filter(({ id }) => id !== 'scoring.flight-delay');
    await page.locator('#topology-choice option').nth(2).waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('Application', { exact: true }).inputValue(), 'a-topology-of-somebody');
    server.applications = [];
    await page.getByText('No application runs on this machine yet.').waitFor();
    assert.equal(await page.getByText('The tasks as a table').isVisible(), false);
  });
});

interface Box {
  readonly words: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const boxesOf = (page: Page, selector: string): Promise<Box[]> =>
  ask(
    page,
    `[...document.querySelectorAll('${selector}')].map((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const air = element.tagName === 'text' ? (bottom - top) * 0.18 : 0;
      return { words: element.textContent, left, right, top: top + air, bottom: bottom - air };
    })`,
  );

const holds = (outer: Box, inner: Box): boolean =>
  outer.left <= inner.left + 1 &&
  outer.right >= inner.right - 1 &&
  outer.top <= inner.top + 1 &&
  outer.bottom >= inner.bottom - 1;
const overlap = (a: Box, b: Box): boolean =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
  Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;

for (const [name, size] of [
  ['a desktop', {}],
  ['a tablet', { width: 820, height: 1000 }],
  ['a phone', PHONE],
] as const)
  test(`words lie in their boxes and beside each other, boxes in the picture and apart: ${name}`, async () => {
    await shown(async (page) => {
      for (const { id, drawing } of busyApplications) {
        await choose(page, id);
        const [picture] = await boxesOf(page, 'svg.topology');
        const boxes = await boxesOf(page, 'svg.topology rect');
        const words = await boxesOf(page, 'svg.topology text');
        assert.ok(picture !== undefined);
        assert.equal(boxes.length, drawing.nodes.length);
        for (const box of boxes) assert.ok(holds(picture, box), `${id}: a box is cut off`);
        for (const word of words)
          assert.ok(
            boxes.some((box) => holds(box, word)),
            `${id}: ${word.words} sticks out`,
          );
        for (const list of [boxes, words])
          for (const [index, one] of list.entries())
            for (const other of list.slice(index + 1))
              assert.ok(!overlap(one, other), `${id}: ${one.words} / ${other.words}`);
      }
    }, size);
  });
