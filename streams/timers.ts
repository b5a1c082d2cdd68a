// Event-time timers of one task: at most one per key; a binary heap with lazily dropped entries.

interface Entry {
  readonly timeMs: number;
  readonly key: string;
}

/** Fewer are not worth a look at all of them. */
const STALE_MIN = 1000;

export class Timers {
  readonly #due = new Map<string, number>();
  readonly #heap: Entry[] = [];
  /** sorted; those that a cut `takeDue` has left */
  #rest: string[] = [];
  #restAt = 0;
  #restMs = 0;

  /** Replaces the key's timer; null removes it. */
  set(key: string, timeMs: number | null): void {
    if (timeMs === null) {
      this.#due.delete(key);
      return;
    }
    if (this.#due.get(key) === timeMs) return;
    this.#due.set(key, timeMs);
    this.#push({ timeMs, key });
    if (this.#heap.length > STALE_MIN + 2 * this.#due.size) this.#compact();
  }

  /** Timers that were moved leave entries behind: not more of them than there are timers. */
  #compact(): void {
    const sorted = [...this.#due].map(([key, timeMs]) => ({ timeMs, key })).sort((a, b) => a.timeMs - b.timeMs);
    // what is in order is a heap
    this.#heap.length = 0;
    for (const entry of sorted) this.#heap.push(entry);
  }

  /** Of timers, and of some that were moved since. */
  get heldEntries(): number {
    return this.#heap.length;
  }

  nextMs(): number | null {
    if (this.isCut) return this.#restMs;
    this.#dropStale();
    return this.#heap[0]?.timeMs ?? null;
  }

  /** Whether `takeDue` has left some that were due. */
  get isCut(): boolean {
    for (; this.#restAt < this.#rest.length; this.#restAt += 1)
      if (this.#isDue(this.#rest[this.#restAt] ?? '', this.#restMs)) return true;
    this.#rest = [];
    this.#restAt = 0;
    return false;
  }

  #isDue(key: string, timeMs: number): boolean {
    const dueMs = this.#due.get(key);
    return dueMs !== undefined && dueMs <= timeMs;
  }

  /** Takes the keys with timers at or before `timeMs`, sorted by key: the first `countMax` of them. */
  takeDue(timeMs: number, countMax = Infinity): readonly string[] {
    const popped: string[] = [];
    for (;;) {
      this.#dropStale();
      const top = this.#heap[0];
      if (top === undefined || top.timeMs > timeMs) break;
      this.#pop();
      popped.push(top.key);
    }
    // what has become due since the cut is put among the others, as if they had been looked for anew
    if (this.isCut && popped.length > 0) this.#rest = this.#rest.slice(this.#restAt).concat(popped).sort();
    else if (popped.length > 0) this.#rest = popped.length > 1 ? popped.sort() : popped;
    if (popped.length > 0) this.#restAt = 0;
    this.#restMs = timeMs;
    const keys: string[] = [];
    while (keys.length < countMax && this.isCut) {
      const key = this.#rest[this.#restAt] ?? '';
      this.#due.delete(key);
      keys.push(key);
    }
    return keys;
  }

  /** Keys with timers at or before `timeMs`, about the earliest: none is taken. */
  upcoming(timeMs: number, countMax: number): readonly string[] {
    this.#dropStale();
    const found: Entry[] = [];
    const left = this.#rest.slice(this.#restAt, this.#restAt + countMax);
    // a parent is never later than its children: row by row, below those that are early enough
    const places = [0];
    for (let next = 0; next < places.length && places.length < 4 * countMax; next += 1) {
      const at = places[next] ?? 0;
      const entry = this.#heap[at];
      if (entry === undefined || entry.timeMs > timeMs) continue;
      if (this.#due.get(entry.key) === entry.timeMs) found.push(entry);
      places.push(2 * at + 1, 2 * at + 2);
    }
    const keys = new Set(found.sort((one, other) => one.timeMs - other.timeMs).map(({ key }) => key));
    return [...new Set([...left, ...keys])].filter((key) => this.#due.has(key)).slice(0, countMax);
  }

  #dropStale(): void {
    for (let top = this.#heap[0]; top !== undefined && this.#due.get(top.key) !== top.timeMs; top = this.#heap[0])
      this.#pop();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.timeMs <= entry.timeMs) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = heap[leftAt];
      if (left === undefined) break;
      const right = heap[leftAt + 1];
      const childAt = right !== undefined && right.timeMs < left.timeMs ? leftAt + 1 : leftAt;
      const child = childAt === leftAt ? left : (right ?? left);
      if (child.timeMs >= last.timeMs) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
  }
}
