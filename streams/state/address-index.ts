// Where the block of a key lies, by the hash of the key: open addressing in two arrays, five bytes a slot, so that a million keys are
// no million objects. It does not know keys: who looks one up compares what the candidates hold.

/** Slots that may be taken, of all. */
const LOAD_MAX = 0.7;
const FIRST_SLOTS = 256;
/** A slot keeps the hash's highest bits; its lowest ones say where to begin. */
const TAG_SHIFT = 24;

export class AddressIndex {
  readonly #hashAt: (address: number) => number;
  /** address + 1; 0: free */
  #slots = new Int32Array(FIRST_SLOTS);
  #tags = new Uint8Array(FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #size = 0;

  /** @param hashAt the hash of the key whose block lies there */
  constructor(hashAt: (address: number) => number) {
    this.#hashAt = hashAt;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength + this.#tags.byteLength;
  }

  /** The first slot that may be of this hash, or the next one behind `after`; −1: there is none. */
  slotOf(hash: number, after = -1): number {
    const slots = this.#slots;
    const tags = this.#tags;
    const mask = this.#mask;
    const tag = hash >>> TAG_SHIFT;
    for (let slot = (after < 0 ? hash : after + 1) & mask; ; slot = (slot + 1) & mask) {
      if (slots[slot] === 0) return -1;
      if (tags[slot] === tag) return slot;
    }
  }

  addressAt(slot: number): number {
    return (this.#slots[slot] ?? 0) - 1;
  }

  /** The key is not there yet. */
  add(hash: number, address: number): void {
    if (this.#size + 1 > LOAD_MAX * (this.#mask + 1)) this.#double();
    this.#put(hash, address + 1);
    this.#size += 1;
  }

  #put(hash: number, taken: number): void {
    const slots = this.#slots;
    let slot = hash & this.#mask;
    while (slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    slots[slot] = taken;
    this.#tags[slot] = hash >>> TAG_SHIFT;
  }

  #double(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    this.#tags = new Uint8Array(before.length * 2);
    this.#mask = before.length * 2 - 1;
    for (const taken of before) if (taken !== 0) this.#put(this.#hashAt(taken - 1), taken);
  }

  /** The block of that address lies elsewhere now. */
  move(hash: number, from: number, to: number): void {
    this.#slots[this.#find(hash, from)] = to + 1;
  }

  /** All other blocks still say their hash. */
  remove(hash: number, address: number): void {
    const slots = this.#slots;
    const tags = this.#tags;
    let free = this.#find(hash, address);
    this.#size -= 1;
    // who stands behind the free slot only because it was taken moves up: searches end at a free slot
    for (let slot = (free + 1) & this.#mask; slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#hashAt(this.addressAt(slot)) & this.#mask;
      if (((slot - home) & this.#mask) < ((slot - free) & this.#mask)) continue;
      slots[free] = slots[slot] ?? 0;
      tags[free] = tags[slot] ?? 0;
      free = slot;
    }
    slots[free] = 0;
  }

  #find(hash: number, address: number): number {
    let slot = this.slotOf(hash);
    while (slot >= 0 && this.addressAt(slot) !== address) slot = this.slotOf(hash, slot);
    if (slot < 0) throw new RangeError(`No block at ${address}.`);
    return slot;
  }
}

/** FNV-1a, with the finish of MurmurHash3, for its low bits choose the slot. @returns a signed integer of 32 bits */
export function hashOf(data: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (data[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
