// The states of a stage as they can be read from outside: by the names that the topology has given them.
import { type ReadableStore } from '../queries/question.ts';
import { type Slot } from './graph.ts';
import { nodeStateSerde, stateKey } from './node-state.ts';
import { type Stage } from './stages.ts';

export function readableStores({ slots, partitions }: Stage): ReadableStore[] {
  const serde = nodeStateSerde(slots);
  return slots.flatMap((slot, number) =>
    slot.kind === 'punctuation'
      ? []
      : [
          {
            ...{ name: slot.name, partitions, prefix: Buffer.from(stateKey(number, '')) },
            show: (row: Buffer) => {
              const { value } = serde.decode(row);
              return value === undefined ? null : { value: shown(slot, value) };
            },
          },
        ],
  );
}

function shown({ node }: Slot, value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  return node.kind === 'keyed' && node.show !== undefined ? node.show(value) : value;
}
