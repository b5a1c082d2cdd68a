// The console's page: takes snapshots from /console/events and draws them. Everything is text from the log: it is never parsed as HTML.
import { colourOf, day, lagText, lineChart, loopPicture, rateText, spark, svg, versionName } from './charts.js';

const MEASURES = [
  ['auc', 'AUC'],
  ['log_loss', 'Log loss'],
  ['brier', 'Brier score'],
  ['ece', 'Calibration error'],
  ['label_rate', 'Label rate'],
  ['score_mean', 'Mean score'],
];
const DRIFT_SHOWN = 8;
const TIMELINE_SHOWN = 40;
const NARROW = matchMedia('(max-width: 700px)');

const at = (id) => document.getElementById(id);
const chosen = { measure: new Map(), wholeDrift: new Set(), wholeTimeline: false };
const shown = { state: null, loop: null, width: 0 };

/** An element; attributes whose value is null or false are left out. */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'onclick') element.addEventListener('click', value);
    else if (value !== null && value !== false) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const empty = (text) => h('p', { class: 'empty' }, text);
const number = (value) => (value === null || value === undefined ? '–' : Math.abs(value) >= 1000 ? value.toLocaleString('en', { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(4))));
const clock = (timeMs) => new Date(timeMs).toISOString().replace('T', ' ').slice(0, 19);

/** Draws a part anew without taking the focus away from whoever is in it. */
function put(id, ...children) {
  const place = at(id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : '';
  place.replaceChildren(...children);
  if (focused !== '') at(focused)?.focus({ preventScroll: true });
}

function drawLoop() {
  const arrows = shown.loop;
  if (arrows === null || arrows.length === 0) return;
  put('loop-picture', loopPicture(arrows, NARROW.matches));
  const cell = (words, className = null) => h('td', { class: className }, words);
  put('loop-table', ...arrows.map(({ from, to, what, perSecond, total, lag }) => h('tr', {}, cell(from), cell(to), cell(what), cell(rateText(perSecond), 'number'), cell(total.toLocaleString('en'), 'number'), cell(lag === null ? 'not measured' : lagText(lag), 'number'))));
}

function drawEndpoints({ endpoints }) {
  if (endpoints.length === 0) return put('endpoint-list', empty('No endpoint yet: waiting for a definition of kind endpoint.'));
  put('endpoint-list', ...endpoints.map(endpointPart));
}

function endpointPart(endpoint) {
  const { name, model, champion, championFromMs, challenger, stage, share, verdict, decidedMs } = endpoint;
  const fact = (term, big, more) => h('div', {}, h('dt', {}, term), h('dd', { class: 'big' }, big), h('dd', { class: 'hint' }, more));
  const from = championFromMs === null ? 'Answers since its promotion.' : `Answers from ${day(championFromMs)} on, in event time.`;
  return h(
    'article',
    { 'aria-label': `Endpoint ${name}` },
    h('h3', {}, `${name} (model ${model || 'unknown'})`),
    h(
      'dl',
      { class: 'facts' },
      champion === 0 ? fact('Champion', 'none', 'No model yet: waiting for the first approved version.') : fact('Champion', `Version ${champion}`, from),
      challenger === 0
        ? fact('Challenger', 'none', stage === '' ? 'No rollout yet.' : `The last rollout ended: ${stage.replaceAll('_', ' ')}.`)
        : fact('Challenger', `Version ${challenger}`, `${stage}, answers ${Math.round(share * 100)} % of live requests`),
      fact('Windows', decidedMs === null ? 'none' : `to ${day(decidedMs)}`, decidedMs === null ? 'No window is decided yet.' : 'Decided up to here, in event time.'),
    ),
    verdict === '' ? null : h('p', { class: 'hint' }, `Last verdict on a challenger: ${verdict}`),
    ...performancePart(endpoint),
    ...driftPart(endpoint),
  );
}

function performancePart({ name, performance, marks }) {
  const measure = chosen.measure.get(name) ?? 'auc';
  const title = MEASURES.find(([key]) => key === measure)[1];
  const heading = h('h3', {}, `${title} over time, by model version`);
  const lines = performance.filter((line) => line.measure === measure && line.points.some(([, value]) => value !== null));
  const choose = (key) => () => {
    chosen.measure.set(name, key);
    drawEndpoints(shown.state);
  };
  const buttons = h('div', { class: 'buttons', role: 'group', 'aria-label': 'Measure' }, ...MEASURES.map(([key, words]) => h('button', { type: 'button', id: `measure-${name}-${key}`, 'aria-pressed': key === measure, onclick: choose(key) }, words)));
  if (lines.length === 0) return [heading, buttons, empty('Nothing to draw yet: waiting for the first decided window with outcomes.')];
  const label = `${title} over time. ${lines.map(({ version, points }) => `${versionName(version)}: last ${number(lastValue(points))}`).join('; ')}`;
  const legend = lines.map(({ version, points }) =>
    h('li', {}, svg('svg', { viewBox: '0 0 26 10', 'aria-hidden': 'true' }, svg('path', { class: `line ${colourOf(version)}`, d: 'M 0 5 H 26' })), `${version === 0 ? 'Live stream, whichever version answered' : versionName(version)}: ${number(lastValue(points))}`),
  );
  const signs = marks.length === 0 ? null : h('p', { class: 'hint' }, 'Last value at each line; its band is the 95 % interval. ▲ alert, ★ promotion, ↩ rollback: each leads to its event.');
  return [heading, buttons, lineChart({ lines, marks, width: shown.width, label, format: number }), h('ul', { class: 'legend' }, ...legend), signs];
}

const lastValue = (points) => points.findLast(([, value]) => value !== null)?.[1] ?? null;

function driftPart({ name, drift }) {
  const heading = h('h3', {}, 'Drift of the score, the label and the features');
  if (drift.every(({ latest }) => latest.every(({ value }) => value === null))) return [heading, empty('No drift yet: waiting for the first window after the reference range.')];
  const psiOf = ({ latest }) => latest.find((one) => one.name === 'psi') ?? null;
  const [fixed, features] = [drift.filter(({ subject }) => subject === 'score' || subject === 'label'), drift.filter(({ subject }) => subject !== 'score' && subject !== 'label')];
  features.sort((a, b) => (psiOf(b)?.value ?? -1) - (psiOf(a)?.value ?? -1));
  const all = [...fixed, ...features];
  const whole = chosen.wholeDrift.has(name);
  const rows = (whole ? all : all.slice(0, DRIFT_SHOWN)).map(({ subject, latest, psi }) => {
    const drifting = latest.filter(({ verdict }) => verdict === 'drift');
    const words = drifting.length > 0 ? h('span', { class: 'bad' }, `drift (${drifting.map((one) => one.name).join(', ')})`) : latest.some(({ verdict }) => verdict === 'ok') ? h('span', { class: 'good' }, 'ok') : 'undecidable';
    const one = psiOf({ latest });
    return h('tr', {}, h('th', { scope: 'row' }, subject), h('td', { class: 'number' }, number(one?.value)), h('td', { class: 'number narrow-out' }, number(one?.threshold)), h('td', { title: latest.map(({ reason }) => reason).join('\n') }, words), h('td', {}, spark(psi, `Course of PSI of ${subject}`)));
  });
  const head = h('tr', {}, h('th', { scope: 'col' }, 'Subject'), h('th', { scope: 'col', class: 'number' }, 'PSI'), h('th', { scope: 'col', class: 'number narrow-out' }, 'Limit'), h('th', { scope: 'col' }, 'Newest window'), h('th', { scope: 'col' }, 'PSI over time'));
  const toggle = () => {
    if (whole) chosen.wholeDrift.delete(name);
    else chosen.wholeDrift.add(name);
    drawEndpoints(shown.state);
  };
  const more = all.length <= DRIFT_SHOWN ? null : h('button', { type: 'button', id: `drift-${name}`, 'aria-expanded': whole, onclick: toggle }, whole ? 'Show the most drifted only' : `Show all ${all.length} subjects`);
  return [heading, h('p', { class: 'hint' }, 'Against the reference range; most drifted features first. A red dot: a window in which a statistic says drift.'), h('div', { class: 'wide', role: 'region', 'aria-label': 'Drift', tabindex: 0 }, h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows))), more === null ? null : h('p', {}, more)].filter((part) => part !== null);
}

function drawRuns({ runs }) {
  if (runs.length === 0) return put('run-list', empty('No run yet: waiting for a training, or for a client of the MLflow API.'));
  const rows = runs.map(({ id, name, status, startedMs, endedMs, model, version, metrics }) => {
    const cell = (label, ...words) => h('td', { 'data-label': label }, ...words);
    const points = Object.entries(metrics).map(([key, value]) => h('li', {}, h('span', {}, `${key} `), number(value)));
    const took = startedMs === null ? '–' : `${clock(startedMs)}${endedMs === null ? '' : `, ${((endedMs - startedMs) / 1000).toFixed(1)} s`}`;
    const tone = status === 'FINISHED' ? 'good' : status === 'FAILED' || status === 'KILLED' ? 'bad' : null;
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, name || 'unnamed', ' ', h('code', { title: id }, id.slice(0, 8))),
      cell('Status', h('span', { class: tone }, status.toLowerCase())),
      cell('Started (UTC)', took),
      cell('Made', version === null ? 'no version' : `${model} version ${version}`),
      cell('Metrics', points.length === 0 ? 'none yet' : h('ul', { class: 'metrics' }, ...points)),
    );
  });
  const head = h('tr', {}, ...['Run', 'Status', 'Started (UTC)', 'Made', 'Metrics, last step'].map((words) => h('th', { scope: 'col' }, words)));
  put('run-list', h('div', { class: 'wide', role: 'region', 'aria-label': 'Runs', tabindex: 0 }, h('table', { class: 'stacked' }, h('thead', {}, head), h('tbody', {}, ...rows))));
}

const SIGNS = { good: ['✓', 'good'], bad: ['!', 'needs attention'], plain: ['·', ''] };

function drawTimeline({ timeline }) {
  if (timeline.length === 0) return put('timeline-list', empty('Nothing happened yet: waiting for definitions to be applied.'));
  const entries = chosen.wholeTimeline ? timeline : timeline.slice(0, TIMELINE_SHOWN);
  const lines = entries.map(({ offset, topic, partition, event, tone, title, detail, eventTimeMs, writtenMs }) => {
    const [sign, words] = SIGNS[tone];
    const written = new Date(writtenMs).toISOString();
    return h(
      'li',
      {},
      eventTimeMs === null ? h('time', { datetime: written }, clock(writtenMs).slice(0, 10)) : h('time', { datetime: new Date(eventTimeMs).toISOString() }, day(eventTimeMs)),
      h('span', words === '' ? { class: tone, 'aria-hidden': 'true' } : { class: tone, role: 'img', 'aria-label': words }, sign),
      h('div', {}, h('a', { href: `#event-${offset}`, id: `line-${offset}` }, title), h('p', {}, detail), h('p', { class: 'at' }, `${event} · ${topic}/${partition} offset ${offset} · written ${clock(writtenMs)} UTC`)),
    );
  });
  const toggle = () => {
    chosen.wholeTimeline = !chosen.wholeTimeline;
    drawTimeline(shown.state);
  };
  const more = timeline.length <= TIMELINE_SHOWN ? [] : [h('button', { type: 'button', id: 'timeline-more', 'aria-expanded': chosen.wholeTimeline, onclick: toggle }, chosen.wholeTimeline ? 'Show the newest only' : `Show all ${timeline.length}`)];
  put('timeline-list', h('ol', { class: 'timeline' }, ...lines), ...more);
}

function drawState() {
  if (shown.state === null) return;
  shown.width = Math.max(300, Math.min(1240, at('endpoint-list').clientWidth));
  drawEndpoints(shown.state);
  drawRuns(shown.state);
  drawTimeline(shown.state);
}

const dialog = at('event');
/** Where the focus goes when the event is closed. */
let cameFrom = '';

async function showEvent() {
  const offset = /^#event-(\d+)$/.exec(location.hash)?.[1];
  if (offset === undefined) {
    if (dialog.open) dialog.close();
    return;
  }
  if (!dialog.open) cameFrom = document.activeElement?.id ?? '';
  at('event-title').textContent = `Event at offset ${offset}`;
  at('event-raw').href = `/console/event/${offset}`;
  at('event-json').textContent = 'Reading it from the log …';
  put('event-place');
  if (!dialog.open) dialog.showModal();
  try {
    const answer = await fetch(`/console/event/${offset}`);
    const event = await answer.json();
    if (!answer.ok) throw new Error(event.error);
    at('event-title').textContent = event.event;
    const fact = (term, words) => h('div', {}, h('dt', {}, term), h('dd', {}, String(words)));
    put('event-place', fact('Topic', event.topic), fact('Partition', event.partition), fact('Offset', event.offset), fact('Written', event.written));
    at('event-json').textContent = JSON.stringify(event.value, null, 2);
  } catch (error) {
    at('event-json').textContent = `The event could not be read: ${error.message}`;
  }
}

// closing takes the event out of the address, so that a reload does not open it again
dialog.addEventListener('close', () => {
  if (location.hash.startsWith('#event-')) history.replaceState(null, '', location.pathname);
  at(cameFrom)?.focus({ preventScroll: true });
});
at('event-close').addEventListener('click', () => dialog.close());
addEventListener('hashchange', showEvent);

function tell(words, className) {
  const place = at('connection');
  if (place.textContent !== words) place.textContent = words;
  place.className = className;
}

function follow() {
  const events = new EventSource('/console/events');
  events.addEventListener('open', () => tell('Live', 'live'));
  events.addEventListener('error', () => {
    tell('Connection lost, trying again …', 'lost');
    // the browser gives up where the answer was no stream: a gateway that is just starting
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  });
  events.addEventListener('state', ({ data }) => {
    shown.state = JSON.parse(data);
    drawState();
  });
  events.addEventListener('loop', ({ data }) => {
    shown.loop = JSON.parse(data);
    drawLoop();
  });
}

NARROW.addEventListener('change', drawLoop);
new ResizeObserver(() => {
  if (shown.state !== null && Math.abs(at('endpoint-list').clientWidth - shown.width) > 1 && at('endpoint-list').clientWidth >= 300) drawState();
}).observe(at('endpoint-list'));
follow();
showEvent();
