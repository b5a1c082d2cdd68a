// The states of all keyed steps and joins of a task in one store: the step's number stands before the key, the key's timer before the state.
//
//   key: step (two characters) │ key            value: timer f64 (NaN: none) │ 1 when there is a state │ state
import { type StateSerde } from '../task-state.ts';
import { type Format } from './format.ts';

export interface NodeState {
  /** place in the stage's list of slots */
  readonly node: number;
  timerMs: number | null;
  /** undefined: only the timer is kept */
  value: unknown;
}

const HEAD_BYTES = 11;
const TIMER_AT = 2;

interface Kept {
  readonly state: Format<unknown>;
}

export function stateKey(node: number, key: string): string {
  return String.fromCharCode(0x30 + (node >> 6), 0x30 + (node & 63)) + key;
}

export function nodeOfKey(stateKeyText: string): number {
  return ((stateKeyText.charCodeAt(0) - 0x30) << 6) + (stateKeyText.charCodeAt(1) - 0x30);
}

export function keyOfState(stateKeyText: string): string {
  return stateKeyText.slice(2);
}

export function nodeStateSerde(nodes: readonly Kept[]): StateSerde<NodeState> {
  return {
    encode: ({ node, timerMs, value }) => {
      const head = Buffer.allocUnsafe(HEAD_BYTES);
      head.writeUInt16LE(node, 0);
      head.writeDoubleLE(timerMs ?? Number.NaN, TIMER_AT);
      head[10] = value === undefined ? 0 : 1;
      return value === undefined ? head : Buffer.concat([head, formatOf(nodes, node).encode(value)]);
    },
    decode: (bytes) => {
      const node = bytes.readUInt16LE(0);
      return {
        node,
        timerMs: timerOfRow(bytes),
        value: bytes[10] === 0 ? undefined : formatOf(nodes, node).decode(bytes.subarray(HEAD_BYTES)),
      };
    },
  };
}

/** Of an encoded row, its state left as it is. */
export function timerOfRow(row: Buffer): number | null {
  const timerMs = row.readDoubleLE(TIMER_AT);
  return Number.isNaN(timerMs) ? null : timerMs;
}

function formatOf(nodes: readonly Kept[], node: number): Format<unknown> {
  const found = nodes[node];
  if (found === undefined) throw new Error(`a state of step ${node}, which this topology does not have`);
  return found.state;
}
