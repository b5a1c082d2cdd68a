// Where the block of a key lies, by the hash of the key: open addressing in one array of integers, so that a million keys are no
// million objects. It does not know keys: who looks one up compares what the candidates hold.

/** Slots that may be taken, of all. */
const LOAD_MAX = 0.7;
const FIRST_SLOTS = 256;
/** A slot: the hash, and the address + 1; 0: free. */
const SLOT_INTS = 2;

export class AddressIndex {
  #slots = new Int32Array(FIRST_SLOTS * SLOT_INTS);
  #mask = FIRST_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** The first slot with this hash, or the next one behind `after`; −1: there is none. */
  slotOf(hash: number, after = -1): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = (after < 0 ? hash : after + 1) & mask; ; slot = (slot + 1) & mask) {
      if (slots[slot * SLOT_INTS + 1] === 0) return -1;
      if (slots[slot * SLOT_INTS] === hash) return slot;
    }
  }

  addressAt(slot: number): number {
    return (this.#slots[slot * SLOT_INTS + 1] ?? 0) - 1;
  }

  /** The key is not there yet. */
  add(hash: number, address: number): void {
    if (this.#size + 1 > LOAD_MAX * (this.#mask + 1)) this.#double();
    this.#put(hash, address + 1);
    this.#size += 1;
  }

  #put(hash: number, address: number): void {
    const slots = this.#slots;
    let slot = hash & this.#mask;
    while (slots[slot * SLOT_INTS + 1] !== 0) slot = (slot + 1) & this.#mask;
    slots[slot * SLOT_INTS] = hash;
    slots[slot * SLOT_INTS + 1] = address;
  }

  #double(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    this.#mask = (before.length / SLOT_INTS) * 2 - 1;
    for (let at = 0; at < before.length; at += SLOT_INTS)
      if (before[at + 1] !== 0) this.#put(before[at] ?? 0, before[at + 1] ?? 0);
  }

  /** The block of that address lies elsewhere now. */
  move(hash: number, from: number, to: number): void {
    this.#slots[this.#find(hash, from) * SLOT_INTS + 1] = to + 1;
  }

  remove(hash: number, address: number): void {
    const slots = this.#slots;
    let free = this.#find(hash, address);
    this.#size -= 1;
    // who stands behind the free slot only because it was taken moves up: searches end at a free slot
    for (let slot = (free + 1) & this.#mask; slots[slot * SLOT_INTS + 1] !== 0; slot = (slot + 1) & this.#mask) {
      const home = (slots[slot * SLOT_INTS] ?? 0) & this.#mask;
      if (((slot - home) & this.#mask) < ((slot - free) & this.#mask)) continue;
      slots[free * SLOT_INTS] = slots[slot * SLOT_INTS] ?? 0;
      slots[free * SLOT_INTS + 1] = slots[slot * SLOT_INTS + 1] ?? 0;
      free = slot;
    }
    slots[free * SLOT_INTS + 1] = 0;
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
