// Dead letters that were put back into their topics. Whoever else reads such a topic has had the record already, when it came first: of
// the applications of the engine only the one that set it aside takes it again.
import { type LogRecord, type RecordSlab } from './log.ts';

/** Offset of the letter that the record comes from. */
export const LETTER_HEADER = 'millrace-dead-letter';
/** Id of the application that set it aside; absent: it is for everybody. */
export const LETTER_OF_HEADER = 'millrace-dead-letter-of';

const LETTER_OF = Buffer.from(LETTER_OF_HEADER);

/** Whether the record was put back for another application than this one. */
export function isForAnother({ headers }: LogRecord, application: string): boolean {
  // nearly all have none
  if (headers.length === 0) return false;
  const of = headers.find(({ key }) => key === LETTER_OF_HEADER);
  return of !== undefined && of.value.toString() !== application;
}

/** The same of a record that is not decoded. */
export function isSlabRecordForAnother(slab: RecordSlab, index: number, application: string): boolean {
  const of = slab.header(index, LETTER_OF);
  return of !== null && of.toString() !== application;
}
