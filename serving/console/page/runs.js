// Runs, newest first, with the last step of their metrics.
import { at, draw, empty, h, keyed } from './elements.js';
import { instant, number, spanText } from './formats.js';

const COLUMNS = ['Run', 'Status', 'Started (UTC)', 'Made', 'Metrics, last step'];
const TONES = { FINISHED: 'good', FAILED: 'bad', KILLED: 'bad' };

export function drawRuns(runs) {
  const list = at('run-list');
  if (runs.length === 0)
    return draw(list, 'none', () => [empty('No run yet: waiting for a training, or for a client of the MLflow API.')]);
  const head = h('tr', {}, ...COLUMNS.map((words) => h('th', { scope: 'col' }, words)));
  draw(list, 'some', () => [h('table', { class: 'stacked' }, h('thead', {}, head), h('tbody', { id: 'run-rows' }))]);
  keyed(
    at('run-rows'),
    runs.map((run) => [JSON.stringify(run), run]),
    runRow,
  );
}

function runRow({ id, name, status, startedMs, endedMs, model, version, metrics }) {
  const cell = (label, ...words) => h('td', { 'data-label': label }, ...words);
  const points = Object.entries(metrics).map(([key, value]) => h('li', {}, h('span', {}, `${key} `), number(value)));
  const took =
    startedMs === null || endedMs === null
      ? null
      : h('span', { class: 'soft' }, `took ${spanText(endedMs - startedMs)}`);
  return h(
    'tr',
    {},
    h(
      'th',
      { scope: 'row' },
      h(
        'a',
        {
          href: `/api/2.0/mlflow/runs/get?run_id=${encodeURIComponent(id)}`,
          id: `run-${id}`,
          title: `Run ${id} as the MLflow API tells it`,
        },
        name === '' ? 'unnamed' : name,
      ),
      ' ',
      h('code', {}, id.slice(0, 8)),
    ),
    cell('Status', h('span', { class: `status ${TONES[status] ?? ''}` }, status.toLowerCase())),
    cell('Started', startedMs === null ? 'unknown' : instant(startedMs), ' ', took),
    cell('Made', version === null ? 'no version' : `${model} version ${version}`),
    cell('Metrics', points.length === 0 ? 'none yet' : h('ul', { class: 'metrics' }, ...points)),
  );
}
