// Charts as SVG: lines over windows, and small courses. Only shapes and text; colours come from the style sheet.
import { svg } from './elements.js';
import { colourOf, day, windowEnd } from './formats.js';

const DAY_MS = 86_400_000;
const GLYPHS = {
  alert: 'M 0 -8 L 8 6 H -8 Z',
  promotion: 'M 0 -9 L 2.6 -3 L 9 -2.6 L 4.1 1.6 L 5.7 8 L 0 4.5 L -5.7 8 L -4.1 1.6 L -9 -2.6 L -2.6 -3 Z',
  rollback: 'M 8 7 V 1 A 5 5 0 0 0 3 -4 H -2 V -9 L -9 -2 L -2 5 V 0 H 3 A 1 1 0 0 1 4 1 V 7 Z',
};
/** Signs are at least as far apart as a finger needs. */
const SIGN_SIZE = 24;

export const glyph = (kind) => svg('path', { class: `glyph ${kind}`, d: GLYPHS[kind] });

/** Lines of versions over windows, with their intervals, and the days that explain them. `select` moves the mark to a window. */
export function lineChart({ lines, marks, ends, width, label, format }) {
  const points = lines.flatMap((line) => line.points);
  const values = points.flatMap(([, value, low, high]) => [value, low, high]).filter((value) => value !== null);
  const steps = niceSteps(Math.min(...values), Math.max(...values));
  const [from, to] = domain(ends, marks);
  // as many decimals as the steps need
  const decimals = Math.max(...steps.map((step) => (String(step).split('.')[1] ?? '').length));
  const axis = (step) => format(step, decimals);
  const gutter = Math.max(...steps.map((step) => axis(step).length)) * 7.5 + 10;
  const span = (time, box) =>
    to === from ? (box.left + box.right) / 2 : box.left + ((time - from) / (to - from)) * (box.right - box.left);
  const placed = stacked(
    marks.filter(({ atMs }) => atMs >= from && atMs <= to),
    (time) => span(time, { left: gutter, right: width - 12 }),
  );
  const top = 14 + SIGN_SIZE * Math.max(0, ...placed.map(({ row }) => row + 1));
  const height = top + (width < 500 ? 180 : 220) + 28;
  const box = { left: gutter, right: width - 12, top, bottom: height - 28 };
  const x = (time) => span(time, box);
  const y = (value) => box.bottom - ((value - steps[0]) / (steps.at(-1) - steps[0])) * (box.bottom - box.top);
  const cross = svg('g', { class: 'cross' });
  const select = (end) => cross.replaceChildren(...crossShapes(lines, end, x, y, box));
  const element = svg(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, class: 'chart', role: 'group', 'aria-label': label },
    ...steps.flatMap((step) => [
      svg('line', { class: 'axis', x1: box.left, x2: box.right, y1: y(step), y2: y(step) }),
      svg('text', { class: 'soft', x: box.left - 8, y: y(step) + 4, 'text-anchor': 'end' }, axis(step)),
    ]),
    ...timeLabels(from, to, x, box),
    ...lines.map((line) => bandShape(line, x, y)),
    ...lines.flatMap((line) => lineShapes(line, x, y)),
    cross,
    ...placed.map((mark) => markShape(mark, box)),
  );
  /** the window nearest to a place on the screen */
  const windowAt = (clientX) => {
    const { left, width: shown } = element.getBoundingClientRect();
    const time = from + ((((clientX - left) * width) / shown - box.left) / (box.right - box.left)) * (to - from);
    return ends.reduce((best, end) => (Math.abs(end - time) < Math.abs(best - time) ? end : best), ends[0]);
  };
  /** where the first and the last window lie, as shares of the width */
  const inset = [x(ends[0]) / width, 1 - x(ends.at(-1)) / width];
  return { element, select, windowAt, inset };
}

/** All windows, and what happened up to one window before the first or after the last. */
function domain(ends, marks) {
  const gap = ends.length < 2 ? DAY_MS : ends[1] - ends[0];
  const [first, last] = [ends[0], ends.at(-1)];
  const near = marks.map(({ atMs }) => atMs).filter((time) => time >= first - gap && time <= last + gap);
  return [Math.min(first, ...near), Math.max(last, ...near)];
}

/** Signs that would hide each other go into rows of their own, three at most. */
function stacked(marks, x) {
  const ends = [];
  return [...marks]
    .sort((a, b) => a.atMs - b.atMs)
    .map((mark) => {
      const place = x(mark.atMs);
      const free = [0, 1, 2].find((row) => (ends[row] ?? -Infinity) <= place) ?? 0;
      ends[free] = place + SIGN_SIZE;
      return { ...mark, x: place, row: free };
    });
}

function niceSteps(low, high) {
  const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 5) ?? power * 10;
  const [first, last] = [Math.floor(low / step), Math.max(Math.ceil(high / step), Math.floor(low / step) + 1)];
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}

const month = (time, year) =>
  new Date(time).toLocaleDateString('en', { month: 'short', timeZone: 'UTC', ...(year ? { year: 'numeric' } : {}) });

/** [time, words]: months where the line is long, days or hours where it is short */
function timeTicks(from, to, countMax) {
  const ticks = [];
  if (to - from > 60 * DAY_MS) {
    const months = (time) => new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth();
    const first = months(from - 1) + 1;
    const step = [1, 2, 3, 6, 12, 24].find((size) => (months(to) - first) / size < countMax) ?? 60;
    for (let at = Math.ceil(first / step) * step; Date.UTC(Math.floor(at / 12), at % 12) <= to; at += step) {
      const time = Date.UTC(Math.floor(at / 12), at % 12);
      ticks.push([time, month(time, ticks.length === 0 || at % 12 === 0)]);
    }
    return ticks;
  }
  const step =
    [1, 2, 3, 6, 12, 24, 48, 168, 336, 720]
      .map((hours) => hours * 3_600_000)
      .find((size) => (to - from) / size < countMax) ?? 60 * DAY_MS;
  for (let time = Math.ceil(from / step) * step; time <= to; time += step)
    ticks.push([time, step < DAY_MS ? windowEnd(time).slice(5) : day(time).slice(ticks.length === 0 ? 0 : 5)]);
  return ticks.length > 0 ? ticks : [[from, windowEnd(from)]];
}

function timeLabels(from, to, x, box) {
  return timeTicks(from, to, Math.max(2, Math.floor((box.right - box.left) / 76))).flatMap(([time, words]) => {
    const anchor = x(time) > box.right - 30 ? 'end' : x(time) < box.left + 30 ? 'start' : 'middle';
    return [
      svg('line', { class: 'tick', x1: x(time), x2: x(time), y1: box.bottom, y2: box.bottom + 5 }),
      svg('text', { class: 'soft', x: x(time), y: box.bottom + 20, 'text-anchor': anchor }, words),
    ];
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
  const d = parts
    .map(
      (part) =>
        `M ${part.map(([end, , , high]) => `${x(end)} ${y(high)}`).join(' L ')} L ${[...part]
          .reverse()
          .map(([end, , low]) => `${x(end)} ${y(low)}`)
          .join(' L ')} Z`,
    )
    .join(' ');
  return svg('path', { class: `band ${colourOf(version)}`, d });
}

function lineShapes({ version, points }, x, y) {
  const parts = stretches(points, ([, value]) => value !== null);
  const d = parts.map((part) => `M ${part.map(([end, value]) => `${x(end)} ${y(value)}`).join(' L ')}`).join(' ');
  const alone = parts
    .filter((part) => part.length === 1)
    .map(([[end, value]]) => svg('circle', { class: `dot ${colourOf(version)}`, cx: x(end), cy: y(value), r: 3 }));
  return [svg('path', { class: `line ${colourOf(version)}`, d }), ...alone];
}

function crossShapes(lines, end, x, y, box) {
  const dots = lines.flatMap(({ version, points }) => {
    const value = points.find((point) => point[0] === end)?.[1] ?? null;
    return value === null ? [] : [svg('circle', { class: `dot ${colourOf(version)}`, cx: x(end), cy: y(value), r: 4 })];
  });
  return [svg('line', { x1: x(end), x2: x(end), y1: box.top, y2: box.bottom }), ...dots];
}

function markShape({ kind, label, atMs, offset, x, row }, box) {
  const words = `${label}, ${day(atMs)}`;
  const middle = 14 + row * SIGN_SIZE;
  const sign = glyph(kind);
  sign.setAttribute('transform', `translate(${x} ${middle})`);
  return svg(
    'a',
    { class: `mark ${kind}`, href: `#event-${offset}`, id: `mark-${offset}`, 'aria-label': words },
    svg('title', {}, words),
    svg('line', { x1: x, x2: x, y1: middle + 10, y2: box.bottom }),
    svg('rect', {
      class: 'hit',
      x: x - SIGN_SIZE / 2,
      y: middle - SIGN_SIZE / 2,
      width: SIGN_SIZE,
      height: SIGN_SIZE,
      rx: 4,
    }),
    sign,
  );
}

/** A line as the legend shows it. */
export const swatch = (version) =>
  svg(
    'svg',
    { class: 'swatch', viewBox: '0 0 28 10', 'aria-hidden': 'true' },
    svg('path', { class: `line ${colourOf(version)}`, d: 'M 1 5 H 27' }),
  );

/** The course of PSI against its limit, with a dot where a window says drift. */
export function spark(points, limit) {
  const known = points.filter(([, value]) => value !== null);
  const high = Math.max(...known.map(([, value]) => value), (limit ?? 0) * 1.5, 0.02);
  const x = (index) => 4 + (known.length < 2 ? 126 : (index / (known.length - 1)) * 252);
  const y = (value) => 29 - (value / high) * 25;
  const d = known.length === 0 ? '' : `M ${known.map(([, value], index) => `${x(index)} ${y(value)}`).join(' L ')}`;
  // one window alone is no line: a dot too, of the line's colour
  const dots = known.flatMap(([, value, drift], index) =>
    drift || known.length === 1
      ? [svg('circle', { class: drift ? 'drift' : 'alone', cx: x(index), cy: y(value), r: 2 })]
      : [],
  );
  const line = limit === null ? [] : [svg('line', { x1: 4, x2: 256, y1: y(limit), y2: y(limit) })];
  return svg(
    'svg',
    { class: 'spark', viewBox: '0 0 260 32', role: 'img', 'aria-label': courseWords(points, known) },
    ...line,
    svg('path', { d }),
    ...dots,
  );
}

function courseWords(points, known) {
  if (known.length === 0) return 'PSI: no window was comparable yet';
  const [end, value] = known.reduce((best, point) => (point[1] > best[1] ? point : best));
  const drifted = points.filter(([, , drift]) => drift).length;
  return `PSI over ${known.length} ${known.length === 1 ? 'window' : 'windows'}: highest ${value.toFixed(3)} in the window to ${windowEnd(end)}; ${drifted} say drift`;
}
