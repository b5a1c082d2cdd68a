/** Rows with a mark, in the order in which they were marked. Stays right when they move. */
export class RowList {
  readonly addresses: number[] = [];
  bytes = 0;

  clear(): void {
    this.addresses.length = 0;
    this.bytes = 0;
  }
}
