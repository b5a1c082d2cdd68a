// The console's fold: what the page shows, from events alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event } from '../../../../schemas/codec.ts';
import { ConsoleView } from '../../../../serving/console/fold.ts';
import {
  APRIL_MS,
  DAY_MS,
  ENDPOINT,
  QUIET,
  Story,
  advanced,
  define,
  ending,
  loopStory,
  promoted,
  statistic,
  verdict,
} from '../../../browser/console/story.ts';

function viewOf(...stories: readonly Story[]): ConsoleView {
  const view = new ConsoleView();
  for (const { told } of stories) for (const { event, record } of told) view.apply(event, record);
  return view;
}

function endpointOf(view: ConsoleView, name = ENDPOINT) {
  const found = view.state().endpoints.find((endpoint) => endpoint.name === name);
  assert.ok(found !== undefined, `there is an endpoint ${name}`);
  return found;
}

test('the same events twice give the same state, and count once', () => {
  const story = loopStory().tell(...ending());
  const [once, twice] = [viewOf(story), viewOf(story, story)];
  assert.deepEqual(twice.state(), once.state());
  assert.deepEqual(twice.counts, once.counts);
  assert.deepEqual(once.counts, {
    alerts: 1,
    retrainings: 2,
    trainings: 2,
    trainingsEnded: 2,
    versions: 2,
    versionsJudged: 2,
    routings: 2,
  });
});

test('two topics read at another pace give the same state', () => {
  const { told } = loopStory().tell(...ending());
  const [slow, fast] = [new ConsoleView(), new ConsoleView()];
  for (const { event, record } of told) slow.apply(event, record);
  // all statistics and metrics before the first event of the lifecycle
  const isLifecycle = (topic: string): boolean => topic.endsWith('lifecycle');
  for (const { event, record } of told) if (!isLifecycle(record.topic)) fast.apply(event, record);
  for (const { event, record } of told) if (isLifecycle(record.topic)) fast.apply(event, record);
  assert.deepEqual(fast.state(), slow.state());
});

test('a rollout goes through shadow, verdict, canary and promotion', () => {
  const story = loopStory();
  const before = endpointOf(viewOf(story));
  assert.equal(before.champion, 1);
  assert.equal(before.championFromMs, APRIL_MS);
  assert.deepEqual([before.challenger, before.stage, before.share], [2, 'canary', 0.1]);
  assert.deepEqual(before.verdict, {
    verdict: 'pass',
    reason: 'The gain is 0.02, wholly above 0.',
    offset: story.offsetOf('VerdictReached'),
  });
  const after = endpointOf(viewOf(story.tell(...ending())));
  assert.deepEqual([after.champion, after.challenger, after.stage, after.share], [2, 0, 'full', 0]);
  assert.equal(after.championFromMs, APRIL_MS + (14 * 7 + 3) * DAY_MS);
});

test('a refused challenger leaves the champion where it is', () => {
  const after = endpointOf(viewOf(loopStory().tell(verdict('fail', 'It is worse.'), advanced('refused', 0))));
  assert.deepEqual([after.champion, after.challenger, after.stage], [1, 0, 'refused']);
  assert.equal(after.verdict?.verdict, 'fail');
});

test('a rollback brings the earlier champion back, and is marked', () => {
  const back: Event = {
    name: 'RolledBack',
    value: {
      endpoint: ENDPOINT,
      model: ENDPOINT,
      from_version: 2,
      to_version: 1,
      effective_from: null,
      requested_by: 'cli',
      reason: 'It was wrong.',
    },
  };
  const story = loopStory()
    .tell(...ending())
    .tell(back);
  const after = endpointOf(viewOf(story));
  assert.equal(after.champion, 1);
  assert.equal(after.championFromMs, null);
  assert.deepEqual(
    after.marks.map(({ kind }) => kind),
    ['promotion', 'alert', 'promotion', 'rollback'],
  );
  // it takes effect at once: then the wall clock of its record tells when
  assert.equal(after.marks.at(-1)?.atMs, story.told.at(-1)?.record.timestampMs);
});

test('an endpoint without model, monitor or statistics is there, and empty', () => {
  const quiet = endpointOf(viewOf(loopStory()), QUIET);
  assert.equal(quiet.model, 'fares');
  assert.deepEqual([quiet.champion, quiet.challenger, quiet.verdict, quiet.decidedMs], [0, 0, null, null]);
  assert.deepEqual([quiet.monitors, quiet.performance, quiet.drift, quiet.marks], [[], [], [], []]);
});

test('two endpoints do not mix', () => {
  const other: Event[] = [
    define('monitor', 'fares-daily', { endpoint: QUIET }),
    statistic({ endpoint: QUIET, monitor: 'fares-daily', value: 0.9 }),
    ...promoted(7, 0, null).map((event): Event =>
      event.name === 'Promoted' ? { ...event, value: { ...event.value, endpoint: QUIET } } : event,
    ),
  ];
  const alone = viewOf(loopStory());
  const both = viewOf(loopStory().tell(...other));
  assert.deepEqual(endpointOf(both), endpointOf(alone));
  const quiet = endpointOf(both, QUIET);
  assert.equal(quiet.champion, 7);
  assert.deepEqual(quiet.monitors, ['fares-daily']);
  assert.deepEqual(
    quiet.performance.map(({ measure, version, points }) => [measure, version, points.map(([, value]) => value)]),
    [['auc', 0, [0.9]]],
  );
  assert.equal(both.decidedMs(QUIET), APRIL_MS + 9 * DAY_MS);
  assert.equal(both.decidedMs('nobody'), null);
});

test('a monitor that is defined anew for another endpoint watches only that one', () => {
  const view = viewOf(loopStory().tell(define('monitor', 'flight-delay-weekly', { endpoint: QUIET })));
  assert.deepEqual(endpointOf(view).monitors, []);
  assert.deepEqual(endpointOf(view, QUIET).monitors, ['flight-delay-weekly']);
});

test('the revision grows with what the page shows, not with housekeeping', () => {
  const view = viewOf(loopStory());
  const before = view.revision;
  const record = { topic: 't', partition: 0, offset: 9999, timestampMs: 0, key: null, value: null, headers: [] };
  view.apply({ name: 'ControlAdvanced', value: { endpoint: ENDPOINT, until: 1, reason: '' } }, record);
  assert.equal(view.revision, before);
  view.apply(verdict('pass', 'It held.'), record);
  assert.ok(view.revision > before);
});

test('the time line keeps the newest 300, the newest first', () => {
  const story = new Story().tell(...Array.from({ length: 320 }, (_, count) => define('entity', `entity-${count}`, {})));
  for (const view of [viewOf(story), viewOf(story, story)]) {
    const offsets = view.state().timeline.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      Array.from({ length: 300 }, (_, index) => 319 - index),
    );
  }
});
