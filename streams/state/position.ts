// Up to where a local store has the changelog: kept in the store, in the same batch as the changes.
import { Failure } from '../../schemas/failure.ts';
import { type StoreWrite } from '../store.ts';

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

export function positionIn(value: Buffer): number {
  return Number(value.readBigInt64BE(0));
}

/** @param nextOffset the first changelog offset that the store has not got */
export function positionWrite(nextOffset: number): StoreWrite {
  const value = Buffer.allocUnsafe(8);
  value.writeBigInt64BE(BigInt(nextOffset), 0);
  return { key: POSITION_KEY, value };
}
