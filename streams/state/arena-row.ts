// One row of an arena at a time, as windows see it.
import { type Row } from './row.ts';

/** What of the arena a row needs. */
interface Home {
  enlarge(row: ArenaRow, doubles: number, used: number): void;
}

/** `RowArena.open` turns it to another row. */
export class ArenaRow implements Row {
  data: Float64Array = new Float64Array(0);
  base = 0;
  end = 0;
  start = 0;
  panes = 0;
  newestMs = Number.NaN;
  address = -1;
  readonly #arena: Home;

  constructor(arena: Home) {
    this.#arena = arena;
  }

  move(doubles: number, used: number): void {
    this.#arena.enlarge(this, doubles, used);
  }
}
