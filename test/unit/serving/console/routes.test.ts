// The console over HTTP: its files, its policy, its state, its events and the stream.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ConsoleServer } from '../../../browser/console/console-server.ts';
import { busyApplications } from '../../../browser/console/applications.ts';
import { quietArrows } from '../../../browser/console/arrows.ts';
import { type ConsoleState } from '../../../../serving/console/fold.ts';
import { ending, loopStory } from '../../../browser/console/story.ts';

const server = new ConsoleServer();
const story = loopStory();
before(async () => {
  server.arrows = quietArrows;
  server.applications = busyApplications;
  server.apply(story.told);
  await server.start();
});
after(() => server.stop());

const get = (path: string): Promise<Response> => fetch(new URL(path, server.url));

test('every file that the page and its scripts name is served, under a policy that asks nobody else', async () => {
  const page = await (await get('/')).text();
  const seen = new Set<string>();
  const open = [...page.matchAll(/(?:src|href)="(\/console\/[^"]+\.\w+)"/g)].map(([, path = '']) => path);
  assert.ok(open.length >= 3);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const answer = await get(path);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'; script-src 'self';/);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    const text = await answer.text();
    assert.doesNotMatch(
      text.replaceAll('http://www.w3.org/2000/svg', ''),
      /https?:\/\//,
      `${path} names no other host`,
    );
    open.push(...[...text.matchAll(/from '\.\/([\w-]+\.js)'/g)].map(([, name = '']) => `/console/${name}`));
  }
  assert.ok(seen.size > 10, [...seen].join(' '));
});

test('the page has no inline script and no inline style', async () => {
  const page = await (await get('/')).text();
  assert.doesNotMatch(page, /<script(?![^>]* src=)|<style|\son\w+=|\sstyle=/);
});

test('the state as JSON is the fold and the loop', async () => {
  const state = await (await get('/console/state')).json();
  assert.deepEqual(state, JSON.parse(JSON.stringify({ ...server.view.state(), loop: quietArrows })));
});

test('the running topologies as JSON', async () => {
  const told = await (await get('/console/topology')).json();
  assert.deepEqual(told, JSON.parse(JSON.stringify({ applications: busyApplications })));
});

test('an event by its offset; what is no offset, and what is not there, is refused with the field', async () => {
  const offset = story.offsetOf('AlertRaised');
  const found = (await (await get(`/console/event/${offset}`)).json()) as { event: string; value: { name: string } };
  assert.deepEqual([found.event, found.value.name], ['AlertRaised', 'label_rate']);
  for (const [path, status] of [
    ['abc', 400],
    ['-1', 400],
    ['1.5', 400],
    ['12345', 404],
  ] as const) {
    const answer = await get(`/console/event/${path}`);
    assert.equal(answer.status, status, path);
    assert.equal(((await answer.json()) as { field: string }).field, 'offset');
  }
});

test('the stream begins with whole snapshots; then it tells what changed, and only that', async () => {
  const stop = new AbortController();
  const answer = await fetch(new URL('/console/events', server.url), { signal: stop.signal });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  assert.ok(answer.body !== null);
  const messages = messagesOf(answer.body);
  const next = async (): Promise<{ event: string; data: string }> => {
    const turn = await messages.next();
    assert.ok(turn.done !== true, 'the stream goes on');
    return turn.value;
  };
  const [state, loop, topology] = [await next(), await next(), await next()];
  assert.deepEqual([state.event, loop.event, topology.event], ['state', 'loop', 'topology']);
  assert.deepEqual(JSON.parse(topology.data), JSON.parse(JSON.stringify(busyApplications)));
  assert.deepEqual(JSON.parse(state.data), JSON.parse(JSON.stringify(server.view.state())));
  assert.deepEqual(JSON.parse(loop.data), JSON.parse(JSON.stringify(quietArrows)));
  server.apply(story.tell(...ending()).told);
  const changed = await next();
  assert.equal(changed.event, 'state');
  assert.equal((JSON.parse(changed.data) as ConsoleState).endpoints[0]?.champion, 2);
  server.arrows = quietArrows.map((arrow) => ({ ...arrow, total: 7 }));
  const moved = await next();
  assert.equal(moved.event, 'loop');
  server.applications = busyApplications.slice(1);
  const gone = await next();
  assert.deepEqual(
    [gone.event, (JSON.parse(gone.data) as unknown[]).length],
    ['topology', busyApplications.length - 1],
  );
  stop.abort();
});

async function* messagesOf(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<{ event: string; data: string }, undefined> {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(part) ?? [];
      if (event !== undefined && data !== undefined) yield { event, data };
    }
  }
}
