// Numbers of a JSON object, found by one walk over its bytes: nothing is decoded that nobody asked for.
//
// The walk is strict about what it reads (the object's shape, names, the wanted values) and only skips over the rest: a broken
// value that nobody asked for may pass.
import { Failure } from '../../schemas/failure.ts';
import { type FieldReader, type WantedField } from './field-reader.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** Whole numbers up to here are exact, and so is one of them divided by a power of ten up to 10^22 (IEEE 754 division rounds right). */
const EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** The language reads more as numbers: 01, 1., 0x1. */
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** A name as it stood in an object, its quotes included. */
interface KnownName {
  readonly bytes: Buffer;
  /** of the wanted field; −1: nobody asked for it */
  readonly index: number;
}

/** Names are learned so often: objects that have them in ever other orders are read without. */
const LESSONS_MAX = 1000;

export class JsonFieldReader implements FieldReader {
  readonly fields: readonly string[];
  readonly #names: readonly Buffer[];
  readonly #optional: readonly boolean[];
  /** by wanted field: 1 once the object has it */
  readonly #found: Uint8Array;
  #missing = 0;
  /** by place in the object: most have the names of the one before, in its order */
  readonly #known: KnownName[] = [];
  #lessons = 0;
  #data: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #problem = '';

  constructor(wanted: readonly WantedField[]) {
    this.fields = wanted.map(({ name }) => name);
    this.#names = wanted.map(({ name }) => Buffer.from(JSON.stringify(name).slice(1, -1)));
    this.#optional = wanted.map(({ optional }) => optional);
    this.#found = new Uint8Array(wanted.length);
  }

  read(data: Buffer, start: number, end: number, into: Float64Array, at: number): Failure | null {
    this.#data = data;
    this.#at = start;
    this.#end = end;
    this.#problem = '';
    const found = this.#found;
    this.#missing = found.length;
    for (let index = 0; index < found.length; index += 1) {
      into[at + index] = Number.NaN;
      found[index] = 0;
    }
    if (this.#next() !== OPEN) return notJson('does not start with {');
    this.#at += 1;
    if (this.#next() === CLOSE) return this.#complete();
    for (let place = 0; ; place += 1) {
      const index = this.#name(place);
      if (this.#next() !== COLON) return notJson(`has no ":" at byte ${this.#at - start}`);
      this.#at += 1;
      if (index < 0) this.#skip();
      else {
        const value = this.#number();
        if (this.#problem !== '') return wrong(this.fields[index] ?? '', this.#problem);
        into[at + index] = value;
        // an object may have a name twice
        this.#missing -= 1 - (found[index] ?? 0);
        found[index] = 1;
      }
      const separator = this.#next();
      this.#at += 1;
      if (separator === CLOSE) return this.#complete();
      if (separator !== COMMA) return notJson(`has neither "," nor "}" at byte ${this.#at - 1 - start}`);
    }
  }

  #complete(): Failure | null {
    if (this.#missing === 0) return null;
    for (let index = 0; index < this.#found.length; index += 1)
      if (this.#found[index] === 0 && this.#optional[index] !== true) return absent(this.fields[index] ?? '');
    return null;
  }

  /** The next byte that is no white space; 0 at the end. */
  #next(): number {
    const data = this.#data;
    let byte = data[this.#at] ?? 0;
    while ((byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) && this.#at < this.#end)
      byte = data[++this.#at] ?? 0;
    return this.#at < this.#end ? byte : 0;
  }

  /** Reads the name at this place of the object; gives the index of the wanted field, or −1. */
  #name(place: number): number {
    if (this.#next() !== QUOTE) return -1;
    const start = this.#at;
    const known = this.#known[place];
    if (known !== undefined && this.#equals(known.bytes, start)) {
      this.#at = start + known.bytes.length;
      return known.index;
    }
    this.#string();
    const index = this.#indexOf(start, this.#at);
    if (this.#lessons < LESSONS_MAX && place <= this.#known.length && this.#at <= this.#end) {
      this.#lessons += 1;
      this.#known[place] = { bytes: Buffer.from(this.#data.subarray(start, this.#at)), index };
    }
    return index;
  }

  /** Of the wanted field whose name stands in quotes at [start, end); −1: nobody asked for it. */
  #indexOf(start: number, end: number): number {
    const length = end - 2 - start;
    const index = this.#names.findIndex((name) => name.length === length && this.#equals(name, start + 1));
    const inQuotes = this.#data.subarray(start, end);
    if (index >= 0 || !inQuotes.includes(BACKSLASH)) return index;
    // it may be written with escapes that it does not need
    try {
      return this.fields.indexOf(JSON.parse(inQuotes.toString()) as string);
    } catch {
      return -1;
    }
  }

  #equals(name: Buffer, start: number): boolean {
    const data = this.#data;
    for (let index = 0; index < name.length; index += 1) if (data[start + index] !== name[index]) return false;
    return true;
  }

  /** Moves behind the string that begins here. */
  #string(): void {
    const data = this.#data;
    const end = this.#end;
    let at = this.#at + 1;
    for (let byte = data[at]; byte !== QUOTE && at < end; byte = data[at]) at += byte === BACKSLASH ? 2 : 1;
    this.#at = at + 1;
  }

  /** Moves behind the value that begins here. */
  #skip(): void {
    const data = this.#data;
    const end = this.#end;
    let depth = 0;
    this.#next();
    let at = this.#at;
    while (at < end) {
      const byte = data[at];
      if (byte === QUOTE) {
        this.#at = at;
        this.#string();
        if (depth === 0) return;
        at = this.#at;
        continue;
      }
      if (byte === OPEN || byte === OPEN_LIST) depth += 1;
      else if (byte === CLOSE || byte === CLOSE_LIST) {
        if (depth === 0) break;
        depth -= 1;
      } else if (byte === COMMA && depth === 0) break;
      at += 1;
    }
    this.#at = at;
  }

  /** The number that begins here; sets #problem where there is none. */
  #number(): number {
    const first = this.#next();
    const start = this.#at;
    if (first === 0x6e && this.#literal('null')) return Number.NaN;
    if (first === 0x74 && this.#literal('true')) return 1;
    if (first === 0x66 && this.#literal('false')) return 0;
    const data = this.#data;
    const end = this.#end;
    let at = start;
    const negative = first === MINUS;
    if (negative) at += 1;
    let digits = 0;
    let count = 0;
    let decimals = 0;
    let byte = data[at] ?? 0;
    while (byte >= ZERO && byte <= NINE && at < end) {
      digits = digits * 10 + (byte - ZERO);
      count += 1;
      byte = data[++at] ?? 0;
    }
    if (byte === POINT && count > 0) {
      byte = data[++at] ?? 0;
      while (byte >= ZERO && byte <= NINE && at < end) {
        digits = digits * 10 + (byte - ZERO);
        decimals += 1;
        byte = data[++at] ?? 0;
      }
    }
    this.#at = at;
    if (count === 0) {
      this.#problem = 'is no number';
      return 0;
    }
    // a zero in front, or nothing behind the point
    if ((count > 1 && data[negative ? start + 1 : start] === ZERO) || (decimals === 0 && data[at - 1] === POINT)) {
      this.#slowNumber(start);
      return 0;
    }
    if (byte === 0x65 || byte === 0x45) return this.#slowNumber(start);
    if (count + decimals > EXACT_DIGITS && (decimals > 0 || digits > Number.MAX_SAFE_INTEGER))
      return this.#slowNumber(start);
    const value = decimals === 0 ? digits : digits / (POWERS[decimals] ?? 1);
    return negative ? -value : value;
  }

  /** Exponents and long numbers are left to the language. */
  #slowNumber(start: number): number {
    this.#at = start;
    this.#skip();
    const text = this.#data.toString('latin1', start, this.#at).replace(/[ \t\r\n]+$/, '');
    const value = Number(text);
    if (!JSON_NUMBER.test(text)) this.#problem = `is ${text.slice(0, 40)}, which is no number in JSON`;
    else if (!Number.isFinite(value)) this.#problem = `is ${text.slice(0, 40)}, no finite number`;
    return value;
  }

  #literal(word: 'null' | 'true' | 'false'): boolean {
    for (let index = 0; index < word.length; index += 1)
      if (this.#data[this.#at + index] !== word.charCodeAt(index)) return false;
    this.#at += word.length;
    return true;
  }
}

function notJson(problem: string): Failure {
  return new Failure('undecodable_record', `The value is no JSON object: it ${problem}.`, {
    fix: 'Produce a JSON object.',
  });
}

function wrong(field: string, problem: string): Failure {
  return new Failure('invalid_field', `${field} ${problem}.`, { field, fix: 'Give a finite number or null.' });
}

function absent(field: string): Failure {
  return new Failure('missing_field', `The event has no field ${field}.`, {
    field,
    fix: 'Produce it (null where it is unknown), or declare it optional.',
  });
}
