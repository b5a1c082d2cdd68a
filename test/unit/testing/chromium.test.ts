// Where there is no browser the suite says what is missing and how to get it, and leaves a person's machine alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromiumMissing, chromiumPath, provideChromium } from '../../../infra/testing/chromium.ts';

test('CHROMIUM_PATH names the browser; where nothing is, there is none', () => {
  assert.equal(chromiumPath({ CHROMIUM_PATH: process.execPath }), process.execPath);
  assert.equal(chromiumPath({ CHROMIUM_PATH: '/nowhere/chromium' }), null);
});

test('what is missing is said with the way to get it', () => {
  const words = chromiumMissing({ CHROMIUM_PATH: '/nowhere/chromium' });
  assert.match(words, /none at CHROMIUM_PATH=\/nowhere\/chromium/);
  assert.match(words, /apt-get install chromium/);
  assert.match(chromiumMissing({}), /none at \/usr\/bin\/chromium/);
});

test('a browser that somebody named is not replaced by an installed one, not even in CI', () => {
  const said: string[] = [];
  const named = { CI: 'true', CHROMIUM_PATH: '/nowhere/chromium' };
  assert.equal(
    provideChromium(named, (text) => said.push(text)),
    false,
  );
  assert.deepEqual(said, []);
  assert.equal(
    provideChromium({ CHROMIUM_PATH: process.execPath }, () => assert.fail('nothing is to be said')),
    true,
  );
});
