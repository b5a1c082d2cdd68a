// A headless Chromium, and the console opened in it as a person would: a window of some size, light or dark.
import assert from 'node:assert/strict';
import { type Browser, type Page, chromium } from 'playwright-core';
import { CHROMIUM_ARGUMENTS, chromiumMissing, chromiumPath } from '../../../infra/testing/chromium.ts';

/** Each launch has a profile of its own, which is removed at the end. */
export async function launch(): Promise<Browser> {
  const executablePath = chromiumPath(process.env);
  if (executablePath === null) throw new Error(chromiumMissing(process.env));
  return chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
}

export interface Window {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly reducedMotion?: boolean;
}

export const PHONE = { width: 390, height: 844 } as const;

export interface OpenConsole {
  readonly page: Page;
  /** Fails where the page complained, broke its own content policy, or asked another host for anything. */
  close(): Promise<void>;
}

/** @param mayFail requests that fail are no complaint: the test takes the gateway away */
export async function openConsole(
  browser: Browser,
  url: string,
  { width = 1440, height = 900, scheme = 'light', reducedMotion = false }: Window = {},
  mayFail = false,
): Promise<OpenConsole> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
  });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(`It asked for ${request.url()}.`);
  });
  await page.goto(url);
  await page.locator('#connection.live').waitFor();
  return {
    page,
    async close() {
      await context.close();
      const told = mayFail ? complaints.filter((text) => !text.includes('ERR_')) : complaints;
      assert.deepEqual(told, []);
    },
  };
}

/** A short expression, run in the page: there is no DOM in the types of this project. */
export function ask<T>(page: Page, expression: string): Promise<T> {
  return page.evaluate<T>(expression);
}

/** How much wider the page is than its window, in CSS pixels. */
export function overhang(page: Page): Promise<number> {
  return ask(page, 'document.documentElement.scrollWidth - document.documentElement.clientWidth');
}
