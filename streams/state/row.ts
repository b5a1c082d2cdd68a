// A row of doubles as windows see it, wherever it lies: in the arena of a table, or by itself.

/** The panes of one key; `data` may hold other rows too. Places are indexes of `data`. */
export interface Row {
  data: Float64Array;
  /** first place that is the row's */
  base: number;
  /** behind its last place */
  end: number;
  /** of the oldest pane */
  start: number;
  panes: number;
  /** event time of the newest event that was counted, epoch ms; NaN: none was, or nobody wrote it down */
  newestMs: number;
  /**
   * Moves the row to where it has room for `doubles`, what is used of it (`used` from `start` on) to the begin of that.
   * Afterwards all places are others.
   */
  move(doubles: number, used: number): void;
}

/** How a row is made and kept. Law: read(write(row)) behaves as row. */
export interface RowSerde {
  /** room of a new row */
  readonly doubles: number;
  /** what `write` takes at most */
  bytesMax(row: Row): number;
  /** @returns the position behind the row */
  write(row: Row, into: Buffer, at: number): number;
  /** @param into empty; it is moved where it has not got the room */
  read(bytes: Buffer, into: Row): void;
}

/** A row by itself. */
export class SingleRow implements Row {
  data: Float64Array;
  readonly base = 0;
  end: number;
  start = 0;
  panes = 0;
  newestMs = Number.NaN;

  constructor(doubles: number) {
    this.data = new Float64Array(doubles);
    this.end = doubles;
  }

  move(doubles: number, used: number): void {
    const larger = new Float64Array(doubles);
    larger.set(this.data.subarray(this.start, this.start + used));
    this.data = larger;
    this.end = doubles;
    this.start = 0;
  }
}

/** A row that was written, for who looks at it and no more. */
export function readSingle(serde: RowSerde, bytes: Buffer): Row {
  const row = new SingleRow(serde.doubles);
  serde.read(bytes, row);
  return row;
}
