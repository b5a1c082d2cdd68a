// Numbers and times in words. All times are UTC: the log's own.
const DAY_MS = 86_400_000;

export const day = (timeMs) => new Date(timeMs).toISOString().slice(0, 10);
export const clock = (timeMs) => new Date(timeMs).toISOString().slice(11, 19);
export const instant = (timeMs) => `${day(timeMs)} ${clock(timeMs)}`;
/** The end of a window: windows of whole days end at midnight. */
export const windowEnd = (timeMs) =>
  timeMs % DAY_MS === 0 ? day(timeMs) : `${day(timeMs)} ${clock(timeMs).slice(0, 5)}`;

export const whole = (value) => value.toLocaleString('en', { maximumFractionDigits: 0 });

/** Four digits; large numbers without a fraction. */
export function number(value) {
  if (value === null || value === undefined) return '–';
  if (Math.abs(value) >= 1000) return whole(value);
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

export function rateText(perSecond) {
  if (perSecond === null) return '–';
  if (perSecond > 0 && perSecond < 0.1) return '<0.1/s';
  return `${perSecond.toLocaleString('en', { maximumFractionDigits: perSecond < 10 ? 1 : 0 })}/s`;
}

/** '' where it is not measured */
export function lagText(lag) {
  if (lag === null) return '';
  if (lag.unit === 'records') return `lag ${whole(lag.value)}`;
  if (lag.unit === 'open') return lag.value === 0 ? 'none open' : `${lag.value} open`;
  return `lag ${spanText(lag.value)}`;
}

/** The same for whoever has room or hears it. */
export function lagWords(lag) {
  if (lag === null) return 'not measured';
  if (lag.unit === 'records') return `${whole(lag.value)} ${lag.value === 1 ? 'record' : 'records'}`;
  return lag.unit === 'open' ? lagText(lag) : `${spanText(lag.value)} of event time`;
}

const UNITS = [
  ['d', DAY_MS],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

export function spanText(ms) {
  const [unit, size] = UNITS.find(([, each]) => ms >= each) ?? ['s', 1000];
  const count = ms / size;
  return `${count.toLocaleString('en', { maximumFractionDigits: count < 10 ? 1 : 0 })} ${unit}`;
}

export const versionName = (version) => (version === 0 ? 'Live stream' : `Version ${version}`);
/** The class of a version's line: colours and dashes come round again after six. */
export const colourOf = (version) => `v${version === 0 ? 0 : ((version - 1) % 6) + 1}`;

/** Bytes, in units of thousands. */
export function sizeText(bytes) {
  const [unit, size] = [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ].find(([, each]) => bytes >= each) ?? ['kB', 1e3];
  return `${(bytes / size).toLocaleString('en', { maximumFractionDigits: 1 })} ${unit}`;
}
