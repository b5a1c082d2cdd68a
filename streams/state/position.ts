// Up to where a local store has the changelog: kept in the store, in the same batch as the changes.
import { type StoreWrite } from '../store.ts';

// Keys of states never start with NUL: this one is the store's own.
export const POSITION_KEY = Buffer.from('\0changelog-position');

export function positionIn(value: Buffer): number {
  return Number(value.readBigInt64BE(0));
}

/** @param nextOffset the first changelog offset that the store has not got */
export function positionWrite(nextOffset: number): StoreWrite {
  const value = Buffer.allocUnsafe(8);
  value.writeBigInt64BE(BigInt(nextOffset), 0);
  return { key: POSITION_KEY, value };
}
