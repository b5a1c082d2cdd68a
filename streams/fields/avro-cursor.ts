// A place in an Avro body, which numbers are read at and what nobody asked for is stepped over at.
import { type Shape } from './avro-shapes.ts';

export class AvroCursor {
  #data: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = 0;
  at = 0;
  notNumeric = false;

  begin(data: Buffer, at: number, end: number): void {
    if (data !== this.#data) {
      this.#data = data;
      // quicker than the buffer's own reading of doubles
      this.#view = new DataView(data.buffer, data.byteOffset, data.length);
    }
    this.#end = end;
    this.at = at;
    this.notNumeric = false;
  }

  /** Zigzag; beyond 2^53 rounded, as doubles are. */
  #whole(): number {
    const data = this.#data;
    let byte = data[this.at++] ?? 0;
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    // half of the zigzag value, so that numbers up to 2^53 stay exact; its lowest bit is the sign
    const isNegative = (byte & 1) === 1;
    let half = (byte & 127) >>> 1;
    for (let scale = 64; byte >= 128 && this.at <= this.#end; scale *= 128) {
      byte = data[this.at++] ?? 0;
      half += (byte & 127) * scale;
    }
    return isNegative ? -half - 1 : half;
  }

  /** The number that stands here; null as NaN, booleans as 1 and 0. */
  number(shape: Shape): number {
    switch (shape.kind) {
      case 'null':
        return Number.NaN;
      case 'boolean':
        return this.#data[this.at++] === 0 ? 0 : 1;
      case 'whole':
        return this.#whole();
      case 'float':
        this.at += 4;
        return this.at > this.#end ? Number.NaN : this.#view.getFloat32(this.at - 4, true);
      case 'double':
        this.at += 8;
        return this.at > this.#end ? Number.NaN : this.#view.getFloat64(this.at - 8, true);
      case 'union': {
        const member = shape.of[this.#whole()];
        return member === undefined ? this.#broken() : this.number(member);
      }
      default:
        this.notNumeric = true;
        this.skip(shape);
        return Number.NaN;
    }
  }

  #broken(): number {
    this.at = Number.POSITIVE_INFINITY;
    return Number.NaN;
  }

  skip(shape: Shape): void {
    switch (shape.kind) {
      case 'null':
        return;
      case 'boolean':
        this.at += 1;
        return;
      case 'whole':
        this.#whole();
        return;
      case 'float':
        this.at += 4;
        return;
      case 'double':
        this.at += 8;
        return;
      case 'sized':
        this.#step(this.#whole());
        return;
      case 'fixed':
        this.at += shape.bytes;
        return;
      case 'record':
        for (const inner of shape.of) this.skip(inner);
        return;
      case 'union': {
        const member = shape.of[this.#whole()];
        if (member === undefined) this.#broken();
        else this.skip(member);
        return;
      }
      case 'list':
        this.#skipBlocks(shape.of, shape.hasKeys);
    }
  }

  #step(bytes: number): void {
    if (bytes < 0) this.#broken();
    else this.at += bytes;
  }

  #skipBlocks(of: Shape, hasKeys: boolean): void {
    while (this.at < this.#end) {
      const count = this.#whole();
      if (count === 0) return;
      // a negative count says the block's size too
      if (count < 0) this.#step(this.#whole());
      for (let index = 0; index < count && this.at < this.#end; index += 1) {
        if (hasKeys) this.#step(this.#whole());
        this.skip(of);
      }
    }
  }
}
