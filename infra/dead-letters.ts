// The dead letters: what is still outstanding, and how it is put back. Outstanding is a fold of the topic itself: letters less those
// that were returned.
import { type Event } from '../schemas/codec.ts';
import { type DeadLetter } from '../schemas/events.generated.ts';
import { headerMaker } from '../streams/event-headers.ts';
import { type NewRecord } from '../streams/log.ts';
import { LETTER_HEADER, LETTER_OF_HEADER } from '../streams/returned-records.ts';
import { systemClock } from './clock.ts';
import { type Connections } from './connect.ts';
import { EventFollower } from './event-follower.ts';

export interface OutstandingLetter {
  readonly offset: number;
  readonly letter: DeadLetter;
}

export interface LetterFilter {
  /** null: any */
  readonly sourceTopic: string | null;
  readonly code: string | null;
  readonly offset: number | null;
}

/** In the order in which they were set aside. */
export async function outstandingLetters(
  { log, codec, topics }: Connections,
  { sourceTopic, code, offset }: LetterFilter,
): Promise<OutstandingLetter[]> {
  const letters = new Map<number, DeadLetter>();
  const follower = new EventFollower(log, codec, (event: Event, record) => {
    if (event.name === 'DeadLetter') letters.set(record.offset, event.value);
    else if (event.name === 'DeadLetterReturned') letters.delete(event.value.letter_offset);
  });
  await follower.start([topics.deadLetters], () => undefined);
  await follower.stop();
  return [...letters]
    .map(([at, letter]) => ({ offset: at, letter }))
    .filter(
      ({ offset: at, letter }) =>
        (sourceTopic === null || letter.source_topic === sourceTopic) &&
        (code === null || letter.code === code) &&
        (offset === null || at === offset),
    );
}

/** A transaction holds so many letters. */
const LETTERS_PER_TRANSACTION = 500;

export interface ReturnOptions {
  readonly returnedBy: string;
  /** true: whoever reads the topic takes the records again; false: of the engine's applications the one that set them aside */
  readonly forAll: boolean;
}

/**
 * Puts outstanding letters back into their topics, each at the end of its partition; a letter is put back once, however often this is
 * called, also by several at a time.
 * @returns those that were put back
 */
export async function returnLetters(
  connections: Connections,
  filter: LetterFilter,
  { returnedBy, forAll }: ReturnOptions,
): Promise<readonly OutstandingLetter[]> {
  const { log, codec, topics } = connections;
  await codec.prepare(topics.deadLetters, ['DeadLetterReturned']);
  // one id: whoever returns letters at the same time is fenced, and returns nothing
  const session = await log.transactions(`${topics.deadLetters}.return`, 60_000);
  const headers = headerMaker('millrace.DeadLetterReturned', 'millrace/dead-letters');
  try {
    // only now: what was returned before the session was made is told of, and nobody returns anything beside it
    const letters = await outstandingLetters(connections, filter);
    for (let from = 0; from < letters.length; from += LETTERS_PER_TRANSACTION) {
      const nowMs = systemClock.nowMs();
      session.begin();
      await session.append(
        letters.slice(from, from + LETTERS_PER_TRANSACTION).flatMap(({ offset, letter }): NewRecord[] => {
          const { source_topic, source_partition } = letter;
          const value = {
            letter_offset: offset,
            source_topic,
            source_partition,
            returned_by: returnedBy,
            returned_at: nowMs,
          };
          return [
            wholeRecord(letter, offset, forAll),
            {
              topic: topics.deadLetters,
              partition: 0,
              timestampMs: nowMs,
              key: Buffer.from(source_topic),
              value: codec.encode('DeadLetterReturned', value),
              headers: headers(`${source_topic}/${offset}/returned`, nowMs),
            },
          ];
        }),
      );
      await session.commit();
    }
    return letters;
  } finally {
    await session.close();
  }
}

const OWN_HEADERS: readonly string[] = [LETTER_HEADER, LETTER_OF_HEADER];

/** The record as it was, with headers that say which letter it comes from, and for whom it is. */
function wholeRecord(letter: DeadLetter, offset: number, forAll: boolean): NewRecord {
  return {
    topic: letter.source_topic,
    partition: letter.source_partition,
    timestampMs: letter.source_timestamp,
    key: letter.key,
    value: letter.value,
    headers: [
      ...Object.entries(letter.headers)
        .filter(([key]) => !OWN_HEADERS.includes(key))
        .map(([key, value]) => ({ key, value })),
      { key: LETTER_HEADER, value: Buffer.from(String(offset)) },
      ...(forAll ? [] : [{ key: LETTER_OF_HEADER, value: Buffer.from(letter.processor) }]),
    ],
  };
}
