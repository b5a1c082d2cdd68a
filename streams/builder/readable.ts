// The states of a stage as they can be read from outside: by the names that the topology has given them.
import { type DirectSubTopology } from '../direct.ts';
import { type ReadableStore } from '../queries/question.ts';
import { readSingle } from '../state/row.ts';
import { type Slot } from './graph.ts';
import { StateKeys, nodeStateSerde } from './node-state.ts';
import { type Stage } from './stages.ts';

export function readableStores({ slots, partitions }: Stage): ReadableStore[] {
  const serde = nodeStateSerde(slots);
  const keys = new StateKeys(slots);
  return slots.flatMap((slot, number) =>
    slot.kind === 'punctuation'
      ? []
      : [
          {
            ...{ name: slot.name, partitions, prefix: Buffer.from(keys.key(number, '')) },
            show: (row: Buffer) => {
              const { value } = serde.decode(row);
              return value === undefined ? null : { value: shown(slot, value) };
            },
          },
        ],
  );
}

/** Rows of a direct stage lie under their keys as they are. */
export function readableRows({ store }: DirectSubTopology, partitions: number): ReadableStore[] {
  if (store?.show === undefined) return [];
  const { name, serde } = store;
  const show = store.show.bind(store);
  return [{ name, partitions, prefix: Buffer.alloc(0), show: (row) => ({ value: show(readSingle(serde, row)) }) }];
}

function shown({ show }: Slot, value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  return show === undefined ? value : show(value);
}
