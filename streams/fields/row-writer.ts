// A row of numbers as a record's value, written in place.

export interface Row {
  /** the record's key lies in keyData[keyStart, keyEnd) */
  readonly keyData: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly timeMs: number;
  /** fields of the event, from `fieldsAt` on */
  readonly fields: Float64Array;
  readonly fieldsAt: number;
  /** values of the row; NaN: null */
  readonly values: Float64Array;
}

/** One object for all rows: it is written before it is filled anew. */
export type MutableRow = { -readonly [Name in keyof Row]: Row[Name] };

export interface RowWriter {
  /** bytes that a row with this key takes at most */
  bytesMax(keyBytes: number): number;
  /** @returns the position behind the row */
  write(into: Buffer, at: number, row: Row): number;
}
