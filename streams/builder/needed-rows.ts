// Which rows of a stage's state a piece of work reads: everything below a source or a step goes by one key, so that they are known
// before it begins. What is read otherwise (all rows of a punctuated step, a join's rows by other keys) is pinned: it stays in memory.
import { type JoinNode, type KeyedNode, type Node, type Slot, type SourceNode, below } from './graph.ts';
import { type StateKeys } from './node-state.ts';

/** Numbers of the slots whose rows are read by other keys than that of the message or timer. */
export function pinnedSlots(slots: readonly Slot[]): ReadonlySet<number> {
  // a punctuation reads all rows of its step, and what it emits goes down by any of their keys
  const reached = new Set(slots.flatMap(({ node }) => (isPunctuated(node) ? [...below(node)] : [])));
  return new Set(slots.flatMap(({ node, isPinned }, slot) => (isPinned === true || reached.has(node) ? [slot] : [])));
}

function isPunctuated(node: KeyedNode | JoinNode): boolean {
  return node.kind === 'keyed' && node.punctuation !== null;
}

export class NeededRows {
  readonly #slots: readonly Slot[];
  readonly #keys: StateKeys;
  /** by source or step: the slots below, but not the pinned ones */
  readonly #slotsBelow = new Map<SourceNode | Node, readonly number[]>();

  constructor(sources: readonly SourceNode[], slots: readonly Slot[], keys: StateKeys) {
    this.#slots = slots;
    this.#keys = keys;
    const pinned = pinnedSlots(slots);
    for (const from of [...sources, ...slots.map(({ node }) => node)]) {
      const nodes: ReadonlySet<SourceNode | Node> = below(from);
      const numbers = slots.flatMap(({ node }, slot) => (nodes.has(node) && !pinned.has(slot) ? [slot] : []));
      this.#slotsBelow.set(from, numbers);
    }
  }

  /** Of a message with this key. */
  ofMessage(source: SourceNode, key: string): string[] {
    return this.#below(source, key);
  }

  /** @param id of the row whose timer is due */
  ofTimer(id: string): string[] {
    const slot = this.#slots[this.#keys.slotOf(id)];
    return slot === undefined ? [] : this.#below(slot.node, this.#keys.keyOf(id));
  }

  #below(from: SourceNode | Node, key: string): string[] {
    return (this.#slotsBelow.get(from) ?? []).map((slot) => this.#keys.key(slot, key));
  }
}
