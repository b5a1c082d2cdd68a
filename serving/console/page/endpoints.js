// Endpoints: champion and challenger, measures over time, drift.
import { glyph, lineChart, swatch } from './charts.js';
import { driftPart } from './drift.js';
import { at, draw, empty, h, keyed } from './elements.js';
import { day, versionName, whole, windowEnd } from './formats.js';

const plain = (value, decimals = 3) => value.toFixed(decimals);
const percent = (value, decimals = 3) => `${(value * 100).toFixed(Math.max(0, decimals - 2))} %`;
const MEASURES = {
  auc: { name: 'AUC', help: '0.5 is chance, 1 is perfect: higher is better.', format: plain },
  log_loss: { name: 'Log loss', help: 'In nats per request: lower is better.', format: plain },
  brier: { name: 'Brier score', help: 'Mean squared error of the score, 0 to 1: lower is better.', format: plain },
  ece: {
    name: 'Calibration error',
    help: 'Mean distance between score and observed rate, 0 to 1: lower is better.',
    format: plain,
  },
  label_rate: { name: 'Label rate', help: 'Share of outcomes that are positive.', format: percent },
  score_mean: {
    name: 'Mean score',
    help: 'Compare it with the label rate: a calibrated model has both alike.',
    format: percent,
  },
};
const STEPS = ['shadow', 'canary', 'full'];

/** What a person has chosen, by endpoint. */
const choices = new Map();

function choiceOf(name) {
  const known = choices.get(name);
  if (known !== undefined) return known;
  // end: of the window that is read out; null follows the newest
  const made = { measure: 'auc', monitor: null, end: null, allSubjects: false, open: new Set() };
  choices.set(name, made);
  return made;
}

export function drawEndpoints(endpoints) {
  const list = at('endpoint-list');
  if (endpoints.length === 0)
    return draw(list, 'none', () => [
      empty(
        'No endpoint yet. ',
        h('code', {}, 'millrace apply FOLDER'),
        ' applies definitions; one of kind endpoint makes its card here.',
      ),
    ]);
  if (list.querySelector('article') === null) draw(list, 'some', () => []);
  keyed(
    list,
    endpoints.map((endpoint) => [endpoint.name, endpoint]),
    ({ name }) =>
      h(
        'article',
        { 'aria-labelledby': `endpoint-${name}` },
        h('h3', { id: `endpoint-${name}` }, name),
        ...['model', 'facts', 'verdict', 'performance', 'drift'].map((part) =>
          h('div', { class: part, id: `${part}-${name}` }),
        ),
      ),
  );
  endpoints.forEach(drawEndpoint);
}

function drawEndpoint(endpoint) {
  const { name, model, verdict } = endpoint;
  const choice = choiceOf(name);
  const redraw = () => drawEndpoint(endpoint);
  const monitors = [...new Set([...endpoint.performance, ...endpoint.drift].map(({ monitor }) => monitor))];
  const monitor = monitors.includes(choice.monitor) ? choice.monitor : (monitors[0] ?? null);
  const own = (lines) => lines.filter((line) => line.monitor === monitor);
  const watched = { ...endpoint, performance: own(endpoint.performance), drift: own(endpoint.drift) };
  const width = Math.max(280, Math.floor(at(`performance-${name}`).clientWidth));
  draw(at(`model-${name}`), [model], () => [
    h('p', { class: 'hint' }, 'Scores with model ', h('strong', {}, model === '' ? 'unknown' : model), '.'),
  ]);
  draw(at(`facts-${name}`), [{ ...watched, drift: null, performance: newest(watched) }], () => [factList(watched)]);
  draw(at(`verdict-${name}`), verdict, () => (verdict === null ? [] : [verdictLine(verdict)]));
  const chart = [watched.performance, endpoint.marks, endpoint.monitors, choice.measure, monitors, monitor, width];
  draw(at(`performance-${name}`), chart, () => [
    monitorChoice(name, monitors, monitor, choice, redraw),
    ...performancePart(watched, choice, width, redraw),
  ]);
  const drift = [watched.drift, endpoint.monitors, choice.allSubjects, [...choice.open]];
  draw(at(`drift-${name}`), drift, () => driftPart(watched, choice, redraw));
}

/** The live stream's AUC in the newest window that has one. */
function newest({ performance }) {
  const points = performance.find(({ measure, version }) => measure === 'auc' && version === 0)?.points ?? [];
  return points.findLast(([, value]) => value !== null) ?? null;
}

function factList(endpoint) {
  const { champion, championFromMs, decidedMs, marks } = endpoint;
  const fact = (term, big, more) =>
    h('div', {}, h('dt', {}, term), h('dd', { class: 'big' }, big), h('dd', { class: 'more' }, ...[more].flat()));
  const from = championFromMs === null ? 'Answers since its promotion.' : `Answers from ${day(championFromMs)} on.`;
  const point = newest(endpoint);
  const alerts = marks.filter(({ kind }) => kind === 'alert');
  const last = alerts.at(-1);
  return h(
    'dl',
    {},
    champion === 0
      ? fact('Champion', 'none', 'Waiting for the first approved version.')
      : fact('Champion', `Version ${champion}`, from),
    fact(
      'Challenger',
      endpoint.challenger === 0 ? 'none' : `Version ${endpoint.challenger}`,
      challengerWords(endpoint),
    ),
    point === null
      ? fact('AUC', '–', 'Waiting for a window with outcomes.')
      : fact(
          'AUC, newest window',
          plain(point[1]),
          `${point[2] === null ? '' : `95 % interval ${plain(point[2])} to ${plain(point[3])}; `}${whole(point[4])} rows.`,
        ),
    fact(
      'Alerts',
      whole(alerts.length),
      last === undefined
        ? 'None was raised.'
        : [
            'Last: ',
            h(
              'a',
              { href: `#event-${last.offset}`, id: `last-alert-${endpoint.name}` },
              `${last.label.replace('Alert: ', '')}, ${day(last.atMs)}`,
            ),
          ],
    ),
    fact(
      'Decided up to',
      decidedMs === null ? '–' : day(decidedMs),
      decidedMs === null ? 'No window is over yet.' : 'In event time: windows and their outcomes.',
    ),
  );
}

function challengerWords({ challenger, stage, share }) {
  if (challenger === 0)
    return stage === '' ? 'No rollout yet.' : `The last rollout ended: ${stage.replaceAll('_', ' ')}.`;
  const words = { shadow: 'shadow', canary: `canary ${Math.round(share * 100)} %`, full: 'champion' };
  return h(
    'ol',
    { class: 'steps', 'aria-label': 'Steps of the rollout' },
    ...STEPS.map((step) =>
      h(
        'li',
        { 'aria-current': step === stage ? 'step' : null },
        step === stage || step !== 'canary' ? words[step] : 'canary',
      ),
    ),
  );
}

function verdictLine({ verdict, reason, offset }) {
  const tone = verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : 'plain';
  return h(
    'p',
    {},
    h('a', { href: `#event-${offset}`, id: `verdict-${offset}` }, 'Last verdict'),
    ' on a challenger: ',
    h('strong', { class: tone }, verdict),
    `. ${reason}`,
  );
}

function segments(label, entries, chosen, choose) {
  return h(
    'div',
    { class: 'segments', role: 'group', 'aria-label': label },
    ...entries.map(([id, key, words]) =>
      h('button', { type: 'button', id, 'aria-pressed': key === chosen, onclick: () => choose(key) }, words),
    ),
  );
}

function monitorChoice(name, monitors, chosen, choice, redraw) {
  if (monitors.length < 2) return null;
  return segments(
    'Monitor',
    monitors.map((monitor) => [`monitor-${name}-${monitor}`, monitor, monitor]),
    chosen,
    (monitor) => {
      Object.assign(choice, { monitor, end: null });
      redraw();
    },
  );
}

function performancePart({ name, performance, marks, monitors }, choice, width, redraw) {
  const measure = MEASURES[choice.measure];
  const heading = h('h4', {}, `${measure.name} over time, by model version`);
  const buttons = segments(
    'Measure',
    Object.entries(MEASURES).map(([key, { name: words }]) => [`measure-${name}-${key}`, key, words]),
    choice.measure,
    (key) => {
      choice.measure = key;
      redraw();
    },
  );
  const lines = performance.filter(
    (line) => line.measure === choice.measure && line.points.some(([, value]) => value !== null),
  );
  if (lines.length === 0)
    return [
      heading,
      buttons,
      empty(
        monitors.length === 0
          ? 'No monitor watches this endpoint: a definition of kind monitor makes statistics.'
          : 'Nothing to draw yet: waiting for the first window that is over and has its outcomes.',
      ),
    ];
  const ends = [...new Set(lines.flatMap(({ points }) => points.map(([end]) => end)))].sort((a, b) => a - b);
  const chart = lineChart({
    lines,
    marks,
    ends,
    width,
    label: `${measure.name} of ${name} over ${ends.length} windows. The table below reads out one window.`,
    format: measure.format,
  });
  return [
    heading,
    buttons,
    h('p', { class: 'hint' }, measure.help),
    chart.element,
    ...readout(name, measure, lines, ends, chart, choice),
    signsHint(marks),
  ];
}

function signsHint(marks) {
  const kinds = [...new Set(marks.map(({ kind }) => kind))].sort();
  if (kinds.length === 0) return null;
  const sign = (kind) => {
    const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    picture.setAttribute('viewBox', '-10 -10 20 20');
    picture.setAttribute('aria-hidden', 'true');
    picture.append(glyph(kind));
    return picture;
  };
  return h(
    'ul',
    { class: 'signs' },
    ...kinds.map((kind) => h('li', {}, sign(kind), kind)),
    h('li', {}, 'Each sign leads to its event. Shaded: 95 % intervals.'),
  );
}

/** Values of one window, and what chooses it: the slider, or pointing at the chart. */
function readout(name, measure, lines, ends, chart, choice) {
  const caption = h('caption', {});
  const body = h('tbody', {});
  const slider = h('input', {
    type: 'range',
    id: `window-${name}`,
    min: 0,
    max: ends.length - 1,
    step: 1,
    'aria-label': 'Window that is read out',
    disabled: ends.length < 2,
  });
  slider.style.setProperty('--before', `${chart.inset[0] * 100}%`);
  slider.style.setProperty('--after', `${chart.inset[1] * 100}%`);
  const pinned = () => (ends.includes(choice.end) ? choice.end : ends.at(-1));
  const show = (end) => {
    chart.select(end);
    const rows = lines.map(({ version, points }) => ({ version, point: points.find((point) => point[0] === end) }));
    const value = (number) => (number === null || number === undefined ? '–' : measure.format(number));
    caption.textContent = `Window to ${windowEnd(end)}${end === ends.at(-1) ? ', the newest' : ''}`;
    body.replaceChildren(
      ...rows.map(({ version, point }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, swatch(version), versionName(version)),
          h('td', { class: 'number' }, h('strong', {}, value(point?.[1]))),
          h('td', { class: 'number' }, (point?.[2] ?? null) === null ? '–' : `${value(point[2])} – ${value(point[3])}`),
          h('td', { class: 'number' }, point === undefined ? '–' : whole(point[4])),
        ),
      ),
    );
    slider.value = String(ends.indexOf(end));
    slider.setAttribute(
      'aria-valuetext',
      `${caption.textContent}: ${rows.map(({ version, point }) => `${versionName(version)} ${value(point?.[1])}`).join(', ')}`,
    );
  };
  const pin = (end) => {
    choice.end = end === ends.at(-1) ? null : end;
    show(end);
  };
  slider.addEventListener('input', () => pin(ends[Number(slider.value)]));
  chart.element.addEventListener('pointermove', ({ clientX }) => show(chart.windowAt(clientX)));
  chart.element.addEventListener('pointerleave', () => show(pinned()));
  chart.element.addEventListener(
    'click',
    (event) => event.target.closest('a') === null && pin(chart.windowAt(event.clientX)),
  );
  show(pinned());
  const head = h(
    'tr',
    {},
    h('th', { scope: 'col' }, 'Line'),
    ...[measure.name, '95 % interval', 'Rows'].map((words) => h('th', { scope: 'col', class: 'number' }, words)),
  );
  return [slider, h('table', { class: 'readout' }, caption, h('thead', {}, head), body)];
}
