// What the platform decided, newest first; each line leads to its event in the log.
import { at, draw, empty, h, keyed } from './elements.js';
import { clock, day, instant } from './formats.js';

const SHOWN = 40;
const SIGNS = { good: ['✓', 'good'], bad: ['!', 'needs attention'], plain: ['', ''] };
const GROUPS = {
  all: ['Everything', () => true],
  alerts: ['Alerts', (event) => event === 'AlertRaised'],
  training: [
    'Training',
    (event) => /^(Training|Retraining)/.test(event) || event === 'ModelVersionCreated' || event === 'GatesChecked',
  ],
  rollouts: ['Rollouts', (event) => /^(Rollout|Verdict|Promoted|RolledBack|Version)/.test(event)],
  definitions: ['Definitions', (event) => event === 'DefinitionApplied'],
};
const chosen = { group: 'all', whole: false };

export function drawTimeline(timeline) {
  const list = at('timeline-list');
  if (timeline.length === 0)
    return draw(list, 'none', () => [empty('Nothing happened yet: waiting for definitions to be applied.')]);
  draw(list, 'some', () =>
    ['filter', 'lines', 'more'].map((part) =>
      h(part === 'lines' ? 'ol' : 'div', { class: part, id: `timeline-${part}` }),
    ),
  );
  const redraw = (change) => {
    Object.assign(chosen, change);
    drawTimeline(timeline);
  };
  const counted = Object.entries(GROUPS).map(([key, [words, has]]) => [
    key,
    words,
    timeline.filter(({ event }) => has(event)).length,
  ]);
  draw(at('timeline-filter'), [counted, chosen], () => [
    h(
      'div',
      { class: 'segments', role: 'group', 'aria-label': 'Show' },
      ...counted.map(([key, words, count]) =>
        h(
          'button',
          {
            type: 'button',
            id: `show-${key}`,
            'aria-pressed': key === chosen.group,
            onclick: () => redraw({ group: key }),
          },
          words,
          ' ',
          h('span', { class: 'count' }, String(count)),
        ),
      ),
    ),
  ]);
  const entries = timeline.filter(({ event }) => GROUPS[chosen.group][1](event));
  keyed(
    at('timeline-lines'),
    (chosen.whole ? entries : entries.slice(0, SHOWN)).map((entry) => [String(entry.offset), entry]),
    timelineLine,
  );
  draw(at('timeline-more'), [entries.length, chosen], () =>
    entries.length === 0
      ? [empty('Nothing of this kind yet.')]
      : entries.length <= SHOWN
        ? []
        : [
            h(
              'button',
              {
                type: 'button',
                id: 'timeline-all',
                'aria-expanded': chosen.whole,
                onclick: () => redraw({ whole: !chosen.whole }),
              },
              chosen.whole ? 'Show the newest only' : `Show all ${entries.length}`,
            ),
          ],
  );
}

function timelineLine({ offset, topic, partition, event, tone, title, detail, eventTimeMs, writtenMs }) {
  const [sign, words] = SIGNS[tone];
  const when =
    eventTimeMs === null
      ? h(
          'time',
          { class: 'written', datetime: new Date(writtenMs).toISOString(), title: 'Wall clock, UTC' },
          clock(writtenMs),
        )
      : h('time', { datetime: new Date(eventTimeMs).toISOString(), title: 'Event time, UTC' }, day(eventTimeMs));
  return h(
    'li',
    { class: tone },
    when,
    h(
      'span',
      words === '' ? { class: 'sign', 'aria-hidden': 'true' } : { class: 'sign', role: 'img', 'aria-label': words },
      sign,
    ),
    h(
      'div',
      {},
      h('a', { href: `#event-${offset}`, id: `line-${offset}` }, title),
      h('p', {}, detail),
      h('p', { class: 'at' }, `${event} · ${topic}/${partition} offset ${offset} · written ${instant(writtenMs)}`),
    ),
  );
}
