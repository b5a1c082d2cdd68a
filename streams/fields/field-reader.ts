// Numbers out of a record's value without decoding the rest of it.
import { type SchemaRegistry } from '../../schemas/codec.ts';
import { type Failure } from '../../schemas/failure.ts';

export interface FieldReader {
  /** names, in the order in which `read` gives the values */
  readonly fields: readonly string[];
  /**
   * Reads the fields of the value data[start, end) into `into` from `at` on: numbers as doubles, booleans as 1 and 0, null as NaN.
   * @returns null, or what is wrong with the value; then nothing in `into` counts
   */
  read(data: Buffer, start: number, end: number, into: Float64Array, at: number): Failure | null;
  /** The schema id of a value that no schema was fetched for yet; null: it can be read, or never will be. */
  unknownSchema?(data: Buffer, start: number, end: number): number | null;
  /** Fetches a schema; one that the registry does not know stays unknown. @throws when the registry does not answer */
  learn?(id: number, registry: Pick<SchemaRegistry, 'schemaOf'>): Promise<void>;
}

/** What a reader is asked for. */
export interface WantedField {
  readonly name: string;
  /** absent counts as null */
  readonly optional: boolean;
}
