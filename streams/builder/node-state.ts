// The states of all keyed steps and joins of a task in one store. Before each key stands whose state it is, as a hash of the step's name:
// a step that is added or taken out leaves the others what they kept.
//
//   key: step (four characters) │ key      value: step u32 LE │ timer f64 LE (NaN: none) │ 1 when there is a state │ state
import { crc32 } from 'node:zlib';
import { Failure } from '../../schemas/failure.ts';
import { type StateSerde } from '../task-state.ts';
import { type Format } from './format.ts';

export interface NodeState {
  /** place in the stage's list of slots; −1: of a step that the topology has no more */
  readonly node: number;
  timerMs: number | null;
  /** undefined: only the timer is kept */
  value: unknown;
}

interface Kept {
  readonly name: string;
  readonly state: Format<unknown>;
}

const TIMER_AT = 4;
const FLAG_AT = 12;
const HEAD_BYTES = 13;
const PREFIX_LENGTH = 4;
const HASH_BITS = 24;

/** The keys of a stage's rows. */
export class StateKeys {
  readonly #prefixes: readonly string[];
  readonly #slotOf: ReadonlyMap<string, number>;

  /** @throws Failure `invalid_definition` when two names have the same hash */
  constructor(slots: readonly Pick<Kept, 'name'>[]) {
    this.#prefixes = slots.map(({ name }) => prefixOf(hashOf(name)));
    this.#slotOf = new Map(this.#prefixes.map((prefix, slot) => [prefix, slot]));
    const twice = slots.find((_, slot) => this.#slotOf.get(this.#prefixes[slot] ?? '') !== slot);
    if (twice !== undefined)
      throw new Failure('invalid_definition', `The name ${twice.name} cannot be told from another by its hash.`, {
        field: 'name',
        fix: 'Give one of the two steps another name.',
      });
  }

  key(slot: number, key: string): string {
    return (this.#prefixes[slot] ?? '') + key;
  }

  /** −1: of a step that the topology has no more. */
  slotOf(stateKey: string): number {
    return this.#slotOf.get(stateKey.slice(0, PREFIX_LENGTH)) ?? -1;
  }

  keyOf(stateKey: string): string {
    return stateKey.slice(PREFIX_LENGTH);
  }
}

function hashOf(name: string): number {
  return crc32(name) % 2 ** HASH_BITS;
}

/** Six bits a character. */
function prefixOf(hash: number): string {
  return String.fromCharCode(...[18, 12, 6, 0].map((shift) => 0x30 + ((hash >> shift) & 63)));
}

export function nodeStateSerde(slots: readonly Kept[]): StateSerde<NodeState> {
  const hashes = slots.map(({ name }) => hashOf(name));
  return {
    encode: ({ node, timerMs, value }) => {
      const head = Buffer.allocUnsafe(HEAD_BYTES);
      head.writeUInt32LE(hashes[node] ?? 0, 0);
      head.writeDoubleLE(timerMs ?? Number.NaN, TIMER_AT);
      head[FLAG_AT] = value === undefined ? 0 : 1;
      return value === undefined ? head : Buffer.concat([head, formatOf(slots, node).encode(value)]);
    },
    decode: (bytes) => {
      const node = hashes.indexOf(bytes.readUInt32LE(0));
      const isKept = node >= 0 && bytes[FLAG_AT] !== 0;
      return {
        node,
        timerMs: timerOfRow(bytes),
        value: isKept ? formatOf(slots, node).decode(bytes.subarray(HEAD_BYTES)) : undefined,
      };
    },
  };
}

/** Of an encoded row, its state left as it is. */
export function timerOfRow(row: Buffer): number | null {
  const timerMs = row.readDoubleLE(TIMER_AT);
  return Number.isNaN(timerMs) ? null : timerMs;
}

function formatOf(slots: readonly Kept[], node: number): Format<unknown> {
  const found = slots[node];
  if (found === undefined) throw new Failure('internal', `There is no step ${node} in this stage.`);
  return found.state;
}
