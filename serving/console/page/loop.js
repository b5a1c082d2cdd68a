// The loop as a picture: stages, and arrows with what passes, how fast, and how far the next stage is behind.
import { svg } from './elements.js';
import { lagText, lagWords, rateText, whole } from './formats.js';

const NAMES = {
  upstream: 'upstream',
  features: 'features',
  'online-store': 'online store',
  scoring: 'scoring',
  predictions: 'predictions',
  results: 'results',
  statistics: 'statistics',
  alerts: 'alerts',
  retraining: 'retraining',
  training: 'training',
  versions: 'versions',
  rollout: 'rollout',
};
const ORDER = Object.keys(NAMES);
/** Reads of the online store are part of scoring: an arrow without a flow of its own. */
const READS = { from: 'online-store', to: 'scoring', what: 'reads', silent: true };
const NODE_HEIGHT = 38;
const [HALF, TIP] = [NODE_HEIGHT / 2, 3];
const LINE = 16;

export const stageName = (id) => NAMES[id] ?? id;

/** @param width of the place in CSS pixels: a ring, three rows or one column */
export function loopPicture(arrows, width) {
  const layout = width >= 980 ? ringLayout() : width >= 600 ? rowsLayout() : columnLayout();
  const shapes = [...arrows, READS].map((arrow) => arrowShape(arrow, layout));
  const nodes = ORDER.map((id) => nodeShape(id, layout));
  const spoken = arrows.map(
    ({ from, to, what, perSecond, total, lag }) =>
      `${stageName(from)} to ${stageName(to)}: ${what} ${rateText(perSecond)}, ${whole(total)} in all, lag ${lagWords(lag)}`,
  );
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${layout.width} ${layout.height}`, role: 'img', 'aria-label': `The loop. ${spoken.join('; ')}.` },
    ...shapes,
    ...nodes,
  );
  picture.classList.add('loop', layout.name);
  return picture;
}

function nodeShape(id, { nodes, w }) {
  const { x, y } = nodes[id];
  return svg(
    'g',
    {},
    svg('rect', { class: 'node', x: x - w / 2, y: y - HALF, width: w, height: NODE_HEIGHT, rx: 9 }),
    svg('text', { class: 'node-name', x, y: y + 5 }, NAMES[id]),
  );
}

function arrowShape(arrow, layout) {
  const route =
    layout.routes[`${arrow.from} ${arrow.to}`] ??
    layout.direct(layout.nodes[arrow.from], layout.nodes[arrow.to], layout.w);
  const flows = arrow.perSecond > 0 ? ' flows' : '';
  const [x, y, turn] = route.tip;
  return svg(
    'g',
    {},
    svg('path', { class: `arrow${flows}`, d: route.path }),
    svg('path', {
      class: `tip${flows}`,
      d: 'M 0 0 L -10 -5.5 V 5.5 Z',
      transform: `translate(${x} ${y}) rotate(${turn})`,
    }),
    ...labels(arrow, route),
    ...(arrow.silent
      ? []
      : [
          svg(
            'title',
            {},
            `${arrow.what}: ${rateText(arrow.perSecond)}, ${whole(arrow.total)} in all; lag: ${lagWords(arrow.lag)}`,
          ),
        ]),
  );
}

/** What is said of a flow: of what happens now and then the number says more than the rate. */
function flowWords({ what, perSecond, total, lag }) {
  const rate = perSecond === null ? '' : rateText(perSecond);
  const rare = (lag === null || lag.unit === 'open') && total < 1000 && !(perSecond >= 1);
  return rare
    ? {
        what,
        main: `${whole(total)} in all`,
        rest: [rate, lagText(lag)],
        head: `${what} · ${whole(total)} in all`,
        foot: [rate, lagText(lag)],
      }
    : { what, main: rate, rest: [lagText(lag)], head: what, foot: [rate, lagText(lag)] };
}

function labels(arrow, { text: [x, y], anchor, shape }) {
  const line = (row, className, words) =>
    svg('text', { class: className, x, y: y + row * LINE, 'text-anchor': anchor }, words);
  const joined = (...words) =>
    words
      .flat()
      .filter((part) => part !== '')
      .join(' · ');
  if (arrow.silent) return [line(0, 'soft', arrow.what)];
  const { what, main, rest, head, foot } = flowWords(arrow);
  if (shape === 'one') return [line(0, 'soft', joined(what, main, rest))];
  if (shape === 'two') return [line(0, 'soft', head), line(1, '', joined(foot))];
  if (shape === 'around') return [line(0, 'soft', what), line(1.85, '', main), line(2.85, 'soft', joined(rest))];
  const parts = shape === 'narrow' ? [main, ...rest] : [main, joined(rest)];
  return [what, ...parts].filter((part) => part !== '').map((part, row) => line(row, row === 1 ? '' : 'soft', part));
}

const way = (path, tip, text, anchor = 'middle', shape = 'one') => ({ path, tip, text, anchor, shape });

function placed(position) {
  return Object.fromEntries(ORDER.map((id, index) => [id, position(index)]));
}

function across(from, to, w) {
  const right = to.x > from.x ? 1 : -1;
  const [start, end] = [from.x + (right * w) / 2, to.x - right * (w / 2 + TIP)];
  return way(
    `M ${start} ${from.y} H ${end - right * 8}`,
    [end, from.y, right > 0 ? 0 : 180],
    [(start + end) / 2, from.y - 9],
    'middle',
    'around',
  );
}

function ringLayout() {
  const nodes = placed((index) =>
    index < 6 ? { x: 64 + index * 214, y: 118 } : { x: 64 + (11 - index) * 214, y: 288 },
  );
  const [left, scoring, right] = [64, nodes.scoring.x, nodes.results.x];
  return {
    name: 'ring',
    nodes,
    w: 106,
    width: 1198,
    height: 330,
    direct: across,
    routes: {
      'upstream results': way(
        `M ${left - 14} 99 V 32 Q ${left - 14} 22 ${left - 4} 22 H ${right - 10} Q ${right} 22 ${right} 32 V 86`,
        [right, 96, 90],
        [(scoring + right) / 2, 15],
      ),
      'upstream scoring': way(
        `M ${left + 14} 99 V 66 Q ${left + 14} 56 ${left + 24} 56 H ${scoring - 10} Q ${scoring} 56 ${scoring} 66 V 86`,
        [scoring, 96, 90],
        [(left + scoring) / 2, 49],
      ),
      'rollout scoring': way(
        `M ${left} 269 V 224 Q ${left} 214 ${left + 10} 214 H ${scoring - 10} Q ${scoring} 214 ${scoring} 204 V 150`,
        [scoring, 140, -90],
        [(left + scoring) / 2, 207],
      ),
      'results statistics': way(`M ${right} 137 V 256`, [right, 266, 90], [right - 12, 188], 'end', 'many'),
    },
  };
}

function rowsLayout() {
  const nodes = placed((index) => ({
    x: [72, 290, 508, 726][index < 4 || index > 7 ? index % 4 : 7 - index],
    y: [74, 238, 402][Math.floor(index / 4)],
  }));
  const { upstream, scoring, predictions, results, alerts, rollout } = nodes;
  const down = (from, to, text, anchor) =>
    way(`M ${from.x} ${from.y + HALF} V ${to.y - HALF - 13}`, [to.x, to.y - HALF - TIP, 90], text, anchor, 'many');
  return {
    name: 'rows',
    nodes,
    w: 106,
    width: 812,
    height: 444,
    direct: across,
    routes: {
      'upstream scoring': way(
        `M ${upstream.x + 14} ${upstream.y - HALF} V 34 Q ${upstream.x + 14} 24 ${upstream.x + 24} 24 H ${scoring.x - 10} Q ${scoring.x} 24 ${scoring.x} 34 V 42`,
        [scoring.x, 52, 90],
        [(upstream.x + scoring.x) / 2, 17],
      ),
      'upstream results': way(
        `M ${upstream.x - 14} ${upstream.y + HALF} V 148 Q ${upstream.x - 14} 158 ${upstream.x - 4} 158 H ${results.x - 10} Q ${results.x} 158 ${results.x} 168 V 206`,
        [results.x, 216, 90],
        [(upstream.x + results.x) / 2, 151],
      ),
      'scoring predictions': down(scoring, predictions, [predictions.x - 12, 146], 'end'),
      'alerts retraining': down(alerts, nodes.retraining, [alerts.x + 12, 316], 'start'),
      'rollout scoring': way(
        `M ${rollout.x + 53} ${rollout.y} H 790 Q 800 ${rollout.y} 800 ${rollout.y - 10} V ${scoring.y + 10} Q 800 ${scoring.y} 790 ${scoring.y} H 796`,
        [scoring.x + 56, scoring.y, 180],
        [790, 302],
        'end',
        'many',
      ),
    },
  };
}

function columnLayout() {
  const [middle, w, pitch] = [180, 122, 76];
  const nodes = placed((index) => ({ x: middle, y: 21 + index * pitch }));
  const [left, right] = [middle - w / 2, middle + w / 2];
  const rail = (from, to, out) => {
    const [edge, x] = out > 0 ? [right, 344] : [left, 16];
    const turn = to > from ? 10 : -10;
    return [
      `M ${edge} ${from} H ${x - out * 10} Q ${x} ${from} ${x} ${from + turn} V ${to - turn} Q ${x} ${to} ${x - out * 10} ${to} H ${edge + out * 11}`,
      [edge + out * TIP, to, out > 0 ? 180 : 0],
    ];
  };
  const y = (id) => nodes[id].y;
  return {
    name: 'column',
    nodes,
    w,
    width: 360,
    height: 2 * 21 + 11 * pitch,
    direct: (from, to) =>
      way(
        `M ${from.x} ${from.y + HALF} V ${to.y - HALF - 13}`,
        [to.x, to.y - HALF - TIP, 90],
        [from.x + 12, from.y + HALF + 15],
        'start',
        'two',
      ),
    routes: {
      'upstream results': way(
        ...rail(y('upstream'), y('results'), -1),
        [24, y('online-store') - 10],
        'start',
        'narrow',
      ),
      'upstream scoring': way(...rail(y('upstream'), y('scoring') - 8, 1), [336, y('features') - 10], 'end', 'narrow'),
      'rollout scoring': way(...rail(y('rollout'), y('scoring') + 8, 1), [336, y('statistics') - 10], 'end', 'narrow'),
    },
  };
}
