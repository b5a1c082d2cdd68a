// Numbers in sentences.

/** Four significant digits, no exponent between 1e-4 and 1e6. */
export function inWords(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** 0.0123 → 1.23 %. */
export function percent(share: number): string {
  return `${String(Number((share * 100).toPrecision(3)))} %`;
}

export function countOf(rows: number, noun: string): string {
  return `${String(rows)} ${noun}${rows === 1 ? '' : 's'}`;
}
