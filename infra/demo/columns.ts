// The demo's compressed tables, column by column into arrays of numbers: as strings and objects a year would take half a gigabyte.
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

const [COMMA, NEWLINE] = [0x2c, 0x0a];

/** Values of few different texts, each kept once. */
export class TextColumn {
  readonly #texts: readonly string[];
  readonly #codes: Uint16Array;

  constructor(texts: readonly string[], codes: Uint16Array) {
    this.#texts = texts;
    this.#codes = codes;
  }

  get length(): number {
    return this.#codes.length;
  }

  /** '' where it is missing */
  at(row: number): string {
    return this.#texts[this.#codes[row] ?? -1] ?? '';
  }

  /** A number of each text, computed once a text. */
  map(numberOf: (text: string) => number): Float64Array {
    const numbers = this.#texts.map(numberOf);
    return Float64Array.from(this.#codes, (code) => numbers[code] ?? Number.NaN);
  }
}

/** A line with a column's name, then a line with its values, and so on (data/README.md). */
export class ColumnFile {
  readonly #columns = new Map<string, Buffer>();

  constructor(name: string) {
    const bytes = brotliDecompressSync(readFileSync(new URL(`data/${name}.columns.br`, import.meta.url)));
    for (let at = 0; at < bytes.length;) {
      const nameEnd = bytes.indexOf(NEWLINE, at);
      const end = bytes.indexOf(NEWLINE, nameEnd + 1);
      const valuesEnd = end < 0 ? bytes.length : end;
      this.#columns.set(bytes.toString('latin1', at, nameEnd), bytes.subarray(nameEnd + 1, valuesEnd));
      at = valuesEnd + 1;
    }
  }

  texts(name: string): TextColumn {
    const texts: string[] = [];
    const known = new Map<string, number>();
    const codes: number[] = [];
    this.#each(name, (text) => {
      let code = known.get(text);
      if (code === undefined) {
        code = texts.push(text) - 1;
        known.set(text, code);
      }
      codes.push(code);
    });
    return new TextColumn(texts, Uint16Array.from(codes));
  }

  /** NaN where it is missing */
  numbers(name: string): Float64Array {
    return this.texts(name).map((text) => (text === '' ? Number.NaN : Number(text)));
  }

  #each(name: string, take: (text: string) => void): void {
    const values = this.#columns.get(name) ?? Buffer.alloc(0);
    for (let from = 0; from <= values.length;) {
      const comma = values.indexOf(COMMA, from);
      const to = comma < 0 ? values.length : comma;
      take(values.toString('latin1', from, to));
      from = to + 1;
    }
  }
}
