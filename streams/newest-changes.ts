// What a changelog said last of each key: places in the bytes of its fetches, no object per record.
import { AddressIndex, hashOf } from './state/address-index.ts';
import { type RecordSlab } from './log.ts';
import { type StoreWrite } from './store.ts';

const FIRST_KEYS = 1024;
/** of one key: its hash, the slab, where key and value begin and end there */
const WIDTH = 6;
const [HASH, SLAB, KEY_START, KEY_END, VALUE_START, VALUE_END] = [0, 1, 2, 3, 4, 5];

export class NewestChanges {
  #slabs: Buffer[] = [];
  #places = new Int32Array(FIRST_KEYS * WIDTH);
  #count = 0;
  #index = this.#newIndex();

  #newIndex(): AddressIndex {
    return new AddressIndex((number) => this.#places[number * WIDTH + HASH] ?? 0);
  }

  /** All records of a fetch, in their order; its bytes stay in memory until `clear`. */
  take({ data, count, keyStarts, keyEnds, valueStarts, valueEnds }: RecordSlab): void {
    const slab = this.#slabs.push(data) - 1;
    for (let index = 0; index < count; index += 1) {
      const keyStart = keyStarts[index] ?? 0;
      const keyEnd = keyEnds[index] ?? 0;
      const at = this.#placeOf(data, keyStart, keyEnd) * WIDTH;
      const places = this.#places;
      places[at + SLAB] = slab;
      places[at + KEY_START] = keyStart;
      places[at + KEY_END] = keyEnd;
      places[at + VALUE_START] = valueStarts[index] ?? -1;
      places[at + VALUE_END] = valueEnds[index] ?? -1;
    }
  }

  #placeOf(data: Buffer, start: number, end: number): number {
    const hash = hashOf(data, start, end);
    for (let slot = this.#index.slotOf(hash); slot >= 0; slot = this.#index.slotOf(hash, slot)) {
      const number = this.#index.addressAt(slot);
      if (this.#isKey(number, hash, data, start, end)) return number;
    }
    const number = this.#count;
    this.#count += 1;
    if (this.#count * WIDTH > this.#places.length) this.#grow();
    this.#places[number * WIDTH + HASH] = hash;
    this.#index.add(hash, number);
    return number;
  }

  #isKey(number: number, hash: number, data: Buffer, start: number, end: number): boolean {
    const places = this.#places;
    const at = number * WIDTH;
    const from = places[at + KEY_START] ?? 0;
    if (places[at + HASH] !== hash || (places[at + KEY_END] ?? 0) - from !== end - start) return false;
    const known = this.#slabs[places[at + SLAB] ?? 0];
    for (let offset = end - start - 1; offset >= 0; offset -= 1)
      if (known?.[from + offset] !== data[start + offset]) return false;
    return true;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Int32Array(before.length * 2);
    this.#places.set(before);
  }

  /** By the order in which the keys came; `value` null: it was deleted. */
  *writes(): IterableIterator<StoreWrite> {
    for (let number = 0; number < this.#count; number += 1) {
      const at = number * WIDTH;
      const places = this.#places;
      const data = this.#slabs[places[at + SLAB] ?? 0] ?? Buffer.alloc(0);
      const valueStart = places[at + VALUE_START] ?? -1;
      yield {
        key: data.subarray(places[at + KEY_START], places[at + KEY_END]),
        value: valueStart < 0 ? null : data.subarray(valueStart, places[at + VALUE_END]),
      };
    }
  }

  clear(): void {
    this.#slabs = [];
    this.#count = 0;
    this.#index = this.#newIndex();
  }
}
