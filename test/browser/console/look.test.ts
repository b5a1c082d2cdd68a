// How the console looks where a program can tell: it fits its window, nothing overlaps, everything can be read.
import assert from 'node:assert/strict';
import axe from 'axe-core';
import { after, before, test } from 'node:test';
import { type Browser, type Page } from 'playwright-core';
import { busyApplications } from './applications.ts';
import { busyArrows, quietArrows } from './arrows.ts';
import { PHONE, ask, launch, openConsole, overhang } from './browser.ts';
import { ConsoleServer } from './console-server.ts';
import { ending, loopStory } from './story.ts';

const full = new ConsoleServer();
const bare = new ConsoleServer();
let browser: Browser;
before(async () => {
  full.arrows = busyArrows;
  full.applications = busyApplications;
  full.apply(loopStory().tell(...ending()).told);
  bare.arrows = quietArrows;
  await Promise.all([full.start(), bare.start()]);
  browser = await launch();
});
after(async () => {
  await browser.close();
  await Promise.all([full.stop(), bare.stop()]);
});

/** In a window of another size, once the pictures are drawn for it. */
async function resized(page: Page, size: { readonly width: number; readonly height: number }): Promise<void> {
  await page.setViewportSize(size);
  // the observer of sizes speaks after the layout, before the second frame is painted
  await ask(page, 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
}

/** Everything that can be unfolded. */
async function unfold(page: Page): Promise<void> {
  await page.getByText('The loop as a table').click();
  await page.getByText('The tasks as a table').click();
  await page.getByText('The topology in words').click();
  await page
    .getByRole('button', { name: /^Show all \d+$/ })
    .first()
    .click();
  await page.locator('.why').first().click();
}

test('no sideways scroll in windows of 320 to 1440 pixels, folded and unfolded, with an event open', async () => {
  const { page, close } = await openConsole(browser, full.url, PHONE);
  await page.locator('#run-rows tr').first().waitFor();
  for (const unfolded of [false, true]) {
    if (unfolded) await unfold(page);
    for (const width of [320, 390, 600, 820, 1024, 1440]) {
      await resized(page, { width, height: 844 });
      assert.equal(await overhang(page), 0, `${width} pixels, ${unfolded ? 'unfolded' : 'folded'}`);
    }
  }
  await page.locator('#timeline-lines a').first().click();
  await page.locator('#event-place div').first().waitFor();
  for (const width of [320, 1440]) {
    await resized(page, { width, height: 844 });
    assert.equal(await overhang(page), 0, `${width} pixels, with an event`);
    const box = await page.locator('dialog').boundingBox();
    assert.ok(box !== null && box.x >= 0 && box.x + box.width <= width, 'the event fits the window');
  }
  await close();
});

interface Box {
  readonly words: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const overlap = (a: Box, b: Box): boolean =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
  Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;

function boxesOf(page: Page, selector: string): Promise<Box[]> {
  return ask(
    page,
    `[...document.querySelectorAll('${selector}')].map((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      // what a line box leaves above and below the letters is no overlap
      const air = element.tagName === 'text' ? (bottom - top) * 0.18 : 0;
      return { words: element.textContent, left, right, top: top + air, bottom: bottom - air };
    })`,
  );
}

test('the loop in each of its layouts: words overlap neither each other nor a stage, and are large enough', async () => {
  for (const url of [full.url, bare.url]) {
    const { page, close } = await openConsole(browser, url);
    for (const [layout, width] of [
      ['ring', 1440],
      ['rows', 820],
      ['column', 390],
    ] as const) {
      await resized(page, { width, height: 844 });
      await page.locator(`.loop.${layout}`).waitFor();
      assert.deepEqual(await clashes(page), [], layout);
      const sizes = await ask<number[]>(
        page,
        `[...document.querySelectorAll('.loop text')].map((text) => text.getScreenCTM().a * parseFloat(getComputedStyle(text).fontSize))`,
      );
      assert.ok(Math.min(...sizes) >= 11, `the smallest letters of the ${layout} are ${Math.min(...sizes)} px`);
    }
    await close();
  }
});

async function clashes(page: Page): Promise<string[]> {
  const words = await boxesOf(page, '.loop text:not(.node-name)');
  const stages = await boxesOf(page, '.loop .node');
  const [picture] = await boxesOf(page, '.loop');
  assert.ok(words.length > 20 && stages.length === 12 && picture !== undefined);
  return words.flatMap((box, index) => [
    ...[...words.slice(index + 1), ...stages]
      .filter((other) => overlap(box, other))
      .map(({ words: other }) => `${box.words} / ${other === '' ? 'a stage' : other}`),
    ...(box.left < picture.left - 1 ||
    box.right > picture.right + 1 ||
    box.top < picture.top - 1 ||
    box.bottom > picture.bottom + 1
      ? [`${box.words} is cut off`]
      : []),
  ]);
}

test('labels of the chart do not overlap', async () => {
  for (const size of [PHONE, { width: 1440 }]) {
    const { page, close } = await openConsole(browser, full.url, size);
    await page.locator('.chart').waitFor();
    const words = await boxesOf(page, '.chart > text');
    assert.ok(words.length >= 6);
    const wrong = words.flatMap((box, index) =>
      words
        .slice(index + 1)
        .filter((other) => overlap(box, other))
        .map((other) => `${box.words} / ${other.words}`),
    );
    assert.deepEqual(wrong, []);
    await close();
  }
});

/** WCAG 2: relative luminance of an sRGB colour. */
function luminance([red, green, blue]: readonly number[]): number {
  const linear = (part = 0): number => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function contrast(one: string, other: string): number {
  const parts = (colour: string): number[] =>
    [...colour.matchAll(/[\d.]+/g)].slice(0, 3).map(([part]) => Number(part) / 255);
  const [a, b] = [luminance(parts(one)), luminance(parts(other))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

test('the contrast of two colours is computed as WCAG does it', () => {
  assert.ok(Math.abs(contrast('rgb(0, 0, 0)', 'rgb(255, 255, 255)') - 21) < 1e-9);
  assert.ok(Math.abs(contrast('rgb(118, 118, 118)', 'rgb(255, 255, 255)') - 4.54) < 0.01);
});

for (const [what, url] of [
  ['a full console', () => full.url],
  ['an empty one', () => bare.url],
] as const)
  test(`axe finds nothing wrong with ${what}, light or dark, desktop or phone`, async () => {
    const { page, close } = await openConsole(browser, url());
    await page.locator('.loop').waitFor();
    await page.evaluate(axe.source);
    if (url() === full.url) await unfold(page);
    for (const size of [{ width: 1440, height: 900 }, PHONE])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await resized(page, size);
        await complaintsOfAxe(page);
      }
    await close();
  });

test('axe finds nothing wrong with an open event, light or dark', async () => {
  const { page, close } = await openConsole(browser, full.url, PHONE);
  await page.evaluate(axe.source);
  await page.locator('#timeline-lines a').first().click();
  await page.locator('#event-place div').first().waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await complaintsOfAxe(page);
  }
  await close();
});

async function complaintsOfAxe(page: Page): Promise<void> {
  const violations = await ask<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
    page,
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) })))`,
  );
  assert.deepEqual(
    violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
    ),
    [],
  );
}

for (const scheme of ['light', 'dark'] as const)
  test(`words in pictures reach 4.5:1, lines and signs 3:1: ${scheme}`, async () => {
    const { page, close } = await openConsole(browser, full.url, { scheme });
    await page.locator('.chart').waitFor();
    const colours = await ask<{ what: string; colour: string; behind: string; asked: number }[]>(
      page,
      `(() => {
        const card = getComputedStyle(document.querySelector('section')).backgroundColor;
        const node = getComputedStyle(document.querySelector('.node')).fill;
        const of = (selector, property, asked, behind = card) => [...document.querySelectorAll(selector)].map((element) => ({ what: selector + ' ' + (element.textContent || element.getAttribute('class')), colour: getComputedStyle(element)[property], behind, asked }));
        return [
          ...of('.loop text:not(.node-name)', 'fill', 4.5), ...of('.loop .node-name', 'fill', 4.5, node), ...of('.topology text', 'fill', 4.5, node), ...of('.chart text', 'fill', 4.5),
          ...of('.arrow', 'stroke', 3), ...of('.tip', 'fill', 3), ...of('.node', 'stroke', 3), ...of('.line', 'stroke', 3), ...of('.glyph', 'fill', 3), ...of('.spark path', 'stroke', 3), ...of('.spark circle', 'fill', 3),
        ];
      })()`,
    );
    assert.ok(colours.length > 80);
    const wrong = colours
      .map((one) => ({ ...one, ratio: contrast(one.colour, one.behind) }))
      .filter(({ ratio, asked }) => ratio < asked)
      .map(({ what, ratio }) => `${what}: ${ratio.toFixed(2)}`);
    assert.deepEqual(wrong, []);
    // and the two themes are two
    const page_ = await ask<string>(page, 'getComputedStyle(document.body).backgroundColor');
    assert.equal(contrast(page_, 'rgb(0, 0, 0)') > 10, scheme === 'light');
    await close();
  });

test('arrows move only for whoever likes it', async () => {
  for (const [reducedMotion, expected] of [
    [true, 'none'],
    [false, 'flow'],
  ] as const) {
    const { page, close } = await openConsole(browser, full.url, { reducedMotion });
    await page.locator('.arrow.flows').first().waitFor({ state: 'attached' });
    assert.equal(await ask(page, `getComputedStyle(document.querySelector('.arrow.flows')).animationName`), expected);
    await close();
  }
});
