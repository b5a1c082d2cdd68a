// Pictures as SVG: the loop, lines over time, and small courses. Only shapes and text; colours come from the style sheet.
const SVG = 'http://www.w3.org/2000/svg';

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

export const day = (timeMs) => new Date(timeMs).toISOString().slice(0, 10);

export function rateText(perSecond) {
  if (perSecond === null) return '–';
  if (perSecond > 0 && perSecond < 0.1) return '<0.1/s';
  const digits = perSecond < 10 && perSecond > 0 ? 1 : 0;
  return `${perSecond.toLocaleString('en', { maximumFractionDigits: digits })}/s`;
}

export function lagText(lag) {
  if (lag === null) return '';
  if (lag.unit === 'records') return `lag ${lag.value.toLocaleString('en')}`;
  if (lag.unit === 'open') return lag.value === 0 ? 'none open' : `${lag.value} open`;
  return `lag ${spanText(lag.value)}`;
}

function spanText(ms) {
  if (ms < 1000) return '0 s';
  for (const [unit, size] of [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000]]) if (ms >= size) return `${(ms / size).toLocaleString('en', { maximumFractionDigits: ms / size < 10 ? 1 : 0 })} ${unit}`;
  return `${Math.round(ms / 1000)} s`;
}

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
const SILENT = { from: 'online-store', to: 'scoring', what: 'reads', perSecond: null, total: 0, lag: null };

/** @param narrow one column instead of two rows */
export function loopPicture(arrows, narrow) {
  const layout = narrow ? columnLayout() : ringLayout();
  const drawn = [...arrows, SILENT].flatMap((arrow) => arrowShapes(arrow, layout));
  const nodes = ORDER.map((id) => {
    const { x, y } = layout.nodes[id];
    return svg('g', {}, svg('rect', { class: 'node', x: x - layout.w / 2, y: y - 17, width: layout.w, height: 34, rx: 7 }), svg('text', { class: 'node-name', x, y: y + 5 }, NAMES[id]));
  });
  const spoken = arrows.map(({ from, to, what, perSecond, lag }) => `${NAMES[from]} to ${NAMES[to]}: ${what} ${rateText(perSecond)} ${lagText(lag)}`).join('; ');
  return svg('svg', { viewBox: `0 ${layout.top} ${layout.width} ${layout.height}`, role: 'img', 'aria-label': `The loop. ${spoken}` }, ...drawn, ...nodes);
}

function ringLayout() {
  const nodes = {};
  ORDER.forEach((id, at) => {
    nodes[id] = at < 6 ? { x: 65 + at * 214, y: 100 } : { x: 65 + (11 - at) * 214, y: 270 };
  });
  const routes = {
    'upstream scoring': { path: 'M 65 83 V 34 Q 65 22 77 22 H 695 Q 707 22 707 34 V 81', tip: [707, 83, 90], text: [386, 17], anchor: 'middle', sideBySide: true },
    'upstream results': { path: 'M 50 83 V -2 Q 50 -14 62 -14 H 1123 Q 1135 -14 1135 -2 V 81', tip: [1135, 83, 90], text: [921, -19], anchor: 'middle', sideBySide: true },
    'rollout scoring': { path: 'M 65 253 V 197 Q 65 185 77 185 H 695 Q 707 185 707 173 V 119', tip: [707, 117, -90], text: [386, 180], anchor: 'middle', sideBySide: true },
    'results statistics': { path: 'M 1135 117 V 251', tip: [1135, 253, 90], text: [1125, 182], anchor: 'end' },
  };
  return { nodes, routes, w: 110, width: 1200, height: 330, top: -36, direct: directAcross };
}

function directAcross(from, to, w) {
  const way = to.x > from.x ? 1 : -1;
  const [x1, x2] = [from.x + (way * w) / 2, to.x - way * (w / 2 + 2)];
  return { path: `M ${x1} ${from.y} H ${x2 - way * 6}`, tip: [x2, from.y, way > 0 ? 0 : 180], text: [(x1 + x2) / 2, from.y - 9], below: [(x1 + x2) / 2, from.y + 20], anchor: 'middle' };
}

function columnLayout() {
  const nodes = {};
  ORDER.forEach((id, at) => {
    nodes[id] = { x: 150, y: 22 + at * 78 };
  });
  const side = (from, to, x, out) => {
    const [a, b] = [nodes[from].y, nodes[to].y];
    const edge = out > 0 ? 205 : 95;
    return { path: `M ${edge} ${a} H ${x} V ${b} H ${edge + out * 8}`, tip: [edge + out * 2, b, out > 0 ? 180 : 0], text: null };
  };
  const routes = {
    'upstream scoring': { ...side('upstream', 'scoring', 225, 1), text: [232, 50], anchor: 'start', stacked: true },
    'upstream results': { ...side('upstream', 'results', 80, -1), text: [74, 110], anchor: 'end', stacked: true },
    'rollout scoring': { ...side('rollout', 'scoring', 225, 1), text: [232, 560], anchor: 'start', stacked: true },
  };
  routes['rollout scoring'].path = `M 205 ${nodes.rollout.y} H 225 V ${nodes.scoring.y + 8} H 213`;
  routes['rollout scoring'].tip = [207, nodes.scoring.y + 8, 180];
  return { nodes, routes, w: 110, width: 330, height: 900, top: 0, direct: directDown };
}

function directDown(from, to) {
  return { path: `M ${from.x} ${from.y + 17} V ${to.y - 25}`, tip: [to.x, to.y - 19, 90], text: [from.x + 10, (from.y + to.y) / 2 - 3], below: [from.x + 10, (from.y + to.y) / 2 + 12], anchor: 'start' };
}

function arrowShapes({ from, to, what, perSecond, lag }, layout) {
  const route = layout.routes[`${from} ${to}`] ?? layout.direct(layout.nodes[from], layout.nodes[to], layout.w);
  const flows = perSecond !== null && perSecond > 0 ? ' flows' : '';
  const shapes = [svg('path', { class: `arrow${flows}`, d: route.path })];
  const [x, y, turn] = route.tip;
  shapes.push(svg('path', { class: `tip${flows}`, d: 'M 0 0 L -9 -5 V 5 Z', transform: `translate(${x} ${y}) rotate(${turn})` }));
  const behind = lag !== null && lag.value > 0 ? 'soft behind' : 'soft';
  const text = (place, className, words) => shapes.push(svg('text', { class: className, x: place[0], y: place[1], 'text-anchor': route.anchor }, words));
  if (from === SILENT.from && to === SILENT.to) text(route.text, 'soft', what);
  else if (route.sideBySide) text(route.text, behind, [what, rateText(perSecond), lagText(lag)].filter((part) => part !== '').join(' · '));
  else if (route.stacked) {
    what.split(' of ').forEach((part, at, parts) => text([route.text[0], route.text[1] + at * 15 - (parts.length - 1) * 15], 'soft', at === 0 && parts.length > 1 ? `${part} of` : part));
    text([route.text[0], route.text[1] + 15], '', rateText(perSecond));
    text([route.text[0], route.text[1] + 30], behind, lagText(lag));
  } else {
    text(route.text, '', rateText(perSecond));
    text(route.below ?? [route.text[0], route.text[1] + 16], behind, lagText(lag));
  }
  return shapes;
}

export const versionName = (version) => (version === 0 ? 'Live stream' : `Version ${version}`);
export const colourOf = (version) => `v${version === 0 ? 0 : ((version - 1) % 6) + 1}`;

/** Lines of versions over windows, with their intervals, and the days that explain them. */
export function lineChart({ lines, marks, width, label, format }) {
  const height = 250;
  const box = { left: 44, right: width - 12, top: 22, bottom: height - 26 };
  const points = lines.flatMap((line) => line.points);
  const values = points.flatMap(([, value, low, high]) => [value, low, high]).filter((value) => value !== null);
  const times = points.map(([end]) => end);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const steps = niceSteps(Math.min(...values), Math.max(...values));
  const x = (time) => (to === from ? (box.left + box.right) / 2 : box.left + ((time - from) / (to - from)) * (box.right - box.left));
  const y = (value) => box.bottom - ((value - steps[0]) / (steps.at(-1) - steps[0])) * (box.bottom - box.top);
  const axes = steps.flatMap((step) => [
    svg('line', { class: 'axis', x1: box.left, x2: box.right, y1: y(step), y2: y(step) }),
    svg('text', { class: 'soft', x: box.left - 6, y: y(step) + 4, 'text-anchor': 'end' }, format(step)),
  ]);
  const shown = marks.filter(({ eventTimeMs }) => eventTimeMs >= from && eventTimeMs <= to).map((mark) => markShape(mark, x(mark.eventTimeMs), box));
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': label }, ...axes, ...dayLabels(from, to, x, box, width), ...lines.map((line) => bandShape(line, x, y)), ...lines.flatMap((line) => lineShapes(line, x, y, format)), ...shown);
}

function niceSteps(low, high) {
  const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 5) ?? power * 10;
  const [first, last] = [Math.floor(low / step), Math.max(Math.ceil(high / step), Math.floor(low / step) + 1)];
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(6)));
}

function dayLabels(from, to, x, box, width) {
  const count = to === from ? 1 : Math.max(2, Math.floor(width / 160));
  return Array.from({ length: count }, (_, at) => {
    const time = count === 1 ? from : from + ((to - from) * at) / (count - 1);
    return svg('text', { class: 'soft', x: x(time), y: box.bottom + 18, 'text-anchor': count === 1 ? 'middle' : at === 0 ? 'start' : at === count - 1 ? 'end' : 'middle' }, day(time));
  });
}

/** Runs of points without a gap. */
function stretches(points, known) {
  const parts = [[]];
  for (const point of points) {
    if (known(point)) parts.at(-1).push(point);
    else if (parts.at(-1).length > 0) parts.push([]);
  }
  return parts.filter((part) => part.length > 0);
}

function bandShape({ version, points }, x, y) {
  const parts = stretches(points, ([, , low, high]) => low !== null && high !== null);
  const d = parts.map((part) => `M ${part.map(([end, , , high]) => `${x(end)} ${y(high)}`).join(' L ')} L ${[...part].reverse().map(([end, , low]) => `${x(end)} ${y(low)}`).join(' L ')} Z`).join(' ');
  return svg('path', { class: `band ${colourOf(version)}`, d });
}

function lineShapes({ version, points }, x, y, format) {
  const parts = stretches(points, ([, value]) => value !== null);
  const d = parts.map((part) => `M ${part.map(([end, value]) => `${x(end)} ${y(value)}`).join(' L ')}`).join(' ');
  const dots = parts.flat().map(([end, value]) => svg('circle', { class: `dot ${colourOf(version)}`, cx: x(end), cy: y(value), r: version === 0 ? 1.5 : 2.5 }, svg('title', {}, `${versionName(version)}, window to ${day(end)}: ${format(value)}`)));
  return [svg('path', { class: `line ${colourOf(version)}`, d }), ...dots];
}

function markShape({ kind, label, eventTimeMs, offset }, x, box) {
  const sign = { alert: '▲', promotion: '★', rollback: '↩' }[kind];
  const words = `${label}, ${day(eventTimeMs)}`;
  return svg('a', { class: `mark ${kind}`, href: `#event-${offset}`, id: `mark-${offset}`, 'aria-label': words }, svg('title', {}, words), svg('line', { x1: x, x2: x, y1: box.top - 4, y2: box.bottom }), svg('text', { x, y: box.top - 7 }, sign));
}

/** The course of a value, with a dot where a window says drift. */
export function spark(points, label) {
  const known = points.filter(([, value]) => value !== null);
  const high = Math.max(...known.map(([, value]) => value), 0.1);
  const x = (at) => 4 + (known.length < 2 ? 51 : (at / (known.length - 1)) * 102);
  const y = (value) => 21 - (value / high) * 18;
  const d = known.length === 0 ? '' : `M ${known.map(([, value], at) => `${x(at)} ${y(value)}`).join(' L ')}`;
  const dots = known.flatMap(([, value, drift], at) => (drift ? [svg('circle', { cx: x(at), cy: y(value), r: 2.5 })] : []));
  return svg('svg', { class: 'spark', viewBox: '0 0 110 24', preserveAspectRatio: 'none', role: 'img', 'aria-label': label }, svg('path', { d }), ...dots);
}
