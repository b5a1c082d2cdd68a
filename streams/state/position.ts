// Up to where a local store has the changelog, and since when: kept in the store, in the same batch as the changes.
//
//   value   nextOffset (8)  logEnd (8)  asOfMs (8)      numbers are signed, highest byte first
//
// Older versions wrote `nextOffset` alone: as of when it was is not known then.
import { Failure } from '../../schemas/failure.ts';
import { type StateStore, type StoreWrite } from '../store.ts';

/** The store's own; a record of that key is refused where rows are kept under the keys as they are. */
export const POSITION_KEY = Buffer.from('\0changelog-position');

/** Whether `data` from `start` to `end` is that key. */
export function isPositionKey(data: Buffer, start: number, end: number): boolean {
  return data[start] === 0 && POSITION_KEY.compare(data, start, end) === 0;
}

export function reservedKey(): Failure {
  return new Failure('invalid_field', `The key ${JSON.stringify(POSITION_KEY.toString())} is the local store's own.`, {
    field: 'key',
    fix: 'Give the record another key.',
  });
}

/** Where a changelog goes on behind what is known of it. */
export interface ChangelogEnd {
  /** the first offset that is not known */
  readonly nextOffset: number;
  /** a changelog that ends here, or before, has nothing more: it may be behind `nextOffset` by the end of its transaction */
  readonly logEnd: number;
}

export interface StatePosition extends ChangelogEnd {
  /** wall clock, epoch ms: everything that was written to the changelog before it is in the state; 0: not known */
  readonly asOfMs: number;
}

/** Of a state that has nothing. */
export const NO_POSITION: StatePosition = { nextOffset: 0, logEnd: 0, asOfMs: 0 };

const VALUE_BYTES = 24;

/** Law: what was written is read. */
export function positionIn(value: Buffer): StatePosition {
  const nextOffset = Number(value.readBigInt64BE(0));
  if (value.length < VALUE_BYTES) return { nextOffset, logEnd: nextOffset, asOfMs: 0 };
  return { nextOffset, logEnd: Number(value.readBigInt64BE(8)), asOfMs: Number(value.readBigInt64BE(16)) };
}

export function positionWrite({ nextOffset, logEnd, asOfMs }: StatePosition): StoreWrite {
  const value = Buffer.allocUnsafe(VALUE_BYTES);
  value.writeBigInt64BE(BigInt(nextOffset), 0);
  value.writeBigInt64BE(BigInt(logEnd), 8);
  value.writeBigInt64BE(BigInt(Math.floor(asOfMs)), 16);
  return { key: POSITION_KEY, value };
}

/** Where the store stands. */
export async function storedPosition(store: Pick<StateStore, 'multiGet'>): Promise<StatePosition> {
  const [value] = await store.multiGet([POSITION_KEY]);
  return value === null || value === undefined ? NO_POSITION : positionIn(value);
}

/** A store that has everything as of then, though nothing has changed, says so. Nobody else may write to it meanwhile. */
export async function renewPosition(store: StateStore, asOfMs: number): Promise<void> {
  const position = await storedPosition(store);
  if (position.nextOffset > 0) await store.write([positionWrite({ ...position, asOfMs })]);
}
