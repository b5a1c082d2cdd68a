// Drift of the score, the label and the features, against the reference range.
import { spark } from './charts.js';
import { empty, h } from './elements.js';
import { windowEnd } from './formats.js';

const SHOWN = 8;

const psiOf = ({ latest }) => latest.find((one) => one.name === 'psi') ?? null;
const fixed = (value) => (value === null || value === undefined ? '–' : value.toFixed(3));
/** Long names break where their words do. */
const broken = (name) => name.split(/(?<=_)/).flatMap((part, index) => (index === 0 ? [part] : [h('wbr'), part]));
const isFeature = ({ subject }) => subject !== 'score' && subject !== 'label';

/** Score and label first, then the features, most drifted first. */
function ordered(drift) {
  const features = drift.filter(isFeature).sort((a, b) => (psiOf(b)?.value ?? -1) - (psiOf(a)?.value ?? -1));
  return [...drift.filter((one) => !isFeature(one)), ...features];
}

export function driftPart({ name, drift, monitors }, choice, redraw) {
  const heading = h('h4', {}, 'Drift of the score, the label and the features');
  if (drift.length === 0 && monitors.length === 0) return [];
  if (drift.every(({ latest }) => latest.every(({ value }) => value === null)))
    return [heading, empty('No drift yet: waiting for the first window after the reference range.')];
  const all = ordered(drift);
  const shown = choice.allSubjects ? all : all.slice(0, SHOWN);
  const toggle = () => {
    choice.allSubjects = !choice.allSubjects;
    redraw();
  };
  const drifting = all.filter(({ latest }) => latest.some(({ verdict }) => verdict === 'drift')).length;
  const newest = Math.max(...all.map(({ psi }) => psi.at(-1)?.[0] ?? -Infinity));
  const head = h(
    'tr',
    {},
    h('th', { scope: 'col' }, 'Subject'),
    h('th', { scope: 'col', class: 'number' }, 'PSI'),
    h('th', { scope: 'col', class: 'number narrow-out' }, 'Limit'),
    h('th', { scope: 'col' }, 'Newest window'),
    h('th', { scope: 'col' }, 'PSI over time'),
  );
  return [
    heading,
    h(
      'p',
      { class: 'hint' },
      `In the window to ${windowEnd(newest)}, ${drifting} of ${all.length} differ from the reference range more than chance allows. PSI: population stability index, without unit; a dot marks a window that drifts, the dashed line the limit.`,
    ),
    h(
      'table',
      { class: 'drift-table' },
      h('thead', {}, head),
      h('tbody', {}, ...shown.flatMap((one) => subjectRows(name, one, choice, redraw))),
    ),
    all.length <= SHOWN
      ? null
      : h(
          'p',
          {},
          h(
            'button',
            { type: 'button', id: `subjects-${name}`, 'aria-expanded': choice.allSubjects, onclick: toggle },
            choice.allSubjects ? 'Show the most drifted only' : `Show all ${all.length}`,
          ),
        ),
  ];
}

function subjectRows(name, { subject, latest, psi }, choice, redraw) {
  const drifted = latest.filter(({ verdict }) => verdict === 'drift').length;
  const decided = latest.filter(({ verdict }) => verdict !== 'undecidable').length;
  const [tone, words] =
    drifted > 0 ? ['bad', `drift, ${drifted} of ${decided}`] : decided > 0 ? ['good', 'ok'] : ['plain', 'undecidable'];
  const open = choice.open.has(subject);
  const reasons = `reasons-${name}-${subject}`;
  const toggle = () => {
    if (open) choice.open.delete(subject);
    else choice.open.add(subject);
    redraw();
  };
  const one = psiOf({ latest });
  const why = h(
    'button',
    {
      type: 'button',
      class: `why ${tone}`,
      id: `why-${name}-${subject}`,
      'aria-expanded': open,
      'aria-controls': open ? reasons : null,
      'aria-label': `${subject}: ${words}; reasons`,
      onclick: toggle,
    },
    words,
  );
  const row = h(
    'tr',
    { class: open ? 'opened' : null },
    h('th', { scope: 'row' }, ...broken(subject)),
    h('td', { class: 'number', 'data-label': 'PSI' }, fixed(one?.value)),
    h('td', { class: 'number narrow-out' }, fixed(one?.threshold)),
    h('td', {}, why),
    h('td', {}, spark(psi, one?.threshold ?? null)),
  );
  if (!open) return [row];
  return [
    row,
    h(
      'tr',
      { class: 'reasons', id: reasons },
      h(
        'td',
        { colspan: 5 },
        h(
          'ul',
          {},
          ...latest.map(({ reason, verdict }) => h('li', { class: verdict === 'drift' ? 'drifts' : null }, reason)),
        ),
      ),
    ),
  ];
}
