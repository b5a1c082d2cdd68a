// The lifecycle in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event } from '../../../../schemas/codec.ts';
import { type TimelineEntry, timelineEntry } from '../../../../serving/console/timeline.ts';
import {
  ALERT,
  APRIL_MS,
  ENDPOINT,
  SHADOW,
  advanced,
  ending,
  loopStory,
  promoted,
  statistic,
  verdict,
} from '../../../browser/console/story.ts';

const record = {
  topic: 'millrace.lifecycle',
  partition: 0,
  offset: 7,
  timestampMs: 5,
  key: null,
  value: null,
  headers: [],
};

function told(event: Event): TimelineEntry {
  const entry = timelineEntry(event, record);
  assert.ok(entry !== null, `${event.name} is told`);
  return entry;
}

test('an entry says where its event is, when it holds and when it was written', () => {
  assert.deepEqual(told(ALERT), {
    topic: 'millrace.lifecycle',
    partition: 0,
    offset: 7,
    event: 'AlertRaised',
    tone: 'bad',
    title: 'Alert: label_rate of label',
    detail: 'label_rate of label is 0.3059, above 0.3 in 2 windows in a row.',
    eventTimeMs: APRIL_MS + 72 * 86_400_000,
    writtenMs: 5,
  });
});

test('alert, verdict and promotion in words and tones', () => {
  const lines = [
    SHADOW,
    verdict('wait', 'Too few.'),
    verdict('pass', 'Better.'),
    verdict('fail', 'Worse.'),
    advanced('canary', 0.1),
    advanced('refused', 0),
    ...promoted(2, 1, null).slice(0, 1),
  ].map((event) => {
    const { title, tone } = told(event);
    return [tone, title];
  });
  assert.deepEqual(lines, [
    ['plain', 'Version 2 challenges version 1'],
    ['plain', 'Verdict on auc: wait, 5194 rows'],
    ['good', 'Verdict on auc: pass, 5194 rows'],
    ['bad', 'Verdict on auc: fail, 5194 rows'],
    ['plain', 'Rollout of version 2: canary, 10 % of requests'],
    ['bad', 'Rollout of version 2: refused, 0 % of requests'],
    ['good', `Version 2 promoted to champion of ${ENDPOINT}`],
  ]);
});

test('what fails asks for attention, with its reason', () => {
  const failed = told({ name: 'TrainingFailed', value: { training_id: 't', run_id: '', reason: 'Out of memory.' } });
  assert.deepEqual([failed.tone, failed.detail], ['bad', 'Out of memory.']);
  const gates = told({
    name: 'GatesChecked',
    value: {
      model: 'm',
      version: 3,
      passed: false,
      gates: ['auc is low', 'log_loss is high'].map((reason) => ({
        name: '',
        passed: false,
        value: 1,
        threshold: 1,
        reason,
      })),
    },
  });
  assert.deepEqual(
    [gates.tone, gates.title, gates.detail],
    ['bad', 'Version 3 did not pass the gates', 'auc is low; log_loss is high'],
  );
});

test('housekeeping and measurements are not told', () => {
  const quiet: Event[] = [
    statistic({}),
    { name: 'ControlAdvanced', value: { endpoint: ENDPOINT, until: 1, reason: '' } },
    { name: 'AliasSet', value: { model: 'm', alias: 'champion', version: 1 } },
  ];
  for (const event of quiet) assert.equal(timelineEntry(event, record), null, event.name);
});

test('every event of the story that is told has a title, a detail and the place of its record', () => {
  for (const { event, record: at } of loopStory().tell(...ending()).told) {
    const entry = timelineEntry(event, at);
    if (entry === null) continue;
    assert.ok(entry.title.length > 5 && entry.detail.length > 5, event.name);
    assert.deepEqual([entry.offset, entry.topic, entry.event], [at.offset, at.topic, event.name]);
    assert.doesNotMatch(`${entry.title} ${entry.detail}`, /undefined|null|NaN|\[object/);
  }
});
