/** A fixed sequence of uniform numbers in [0, 1): mulberry32; make.py of the golden values has the same. */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The share of values below, and of those not above: an answer is right for every rank from one to the other. */
export function rankRange(sorted: Float64Array, value: number): readonly [number, number] {
  const first = (isBeyond: (other: number) => boolean): number => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBeyond(sorted[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low / sorted.length;
  };
  return [first((other) => other >= value), first((other) => other > value)];
}

/** How far the rank of the answer is from the one asked for. */
export function rankError(sorted: Float64Array, answer: number, q: number): number {
  const [low, high] = rankRange(sorted, answer);
  return Math.max(0, low - q, q - high);
}
