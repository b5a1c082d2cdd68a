// The dead letters: what is still outstanding, and how it is put back. Outstanding is a fold of the topic itself: letters less those
// that were returned.
import { type Event } from '../schemas/codec.ts';
import { type DeadLetter } from '../schemas/events.generated.ts';
import { headerMaker } from '../streams/event-headers.ts';
import { type NewRecord } from '../streams/log.ts';
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

/** Puts letters back into their topics, each at the end of its partition; a letter is put back once, however often this is called. */
export async function returnLetters(
  { log, codec, topics }: Connections,
  letters: readonly OutstandingLetter[],
  returnedBy: string,
): Promise<void> {
  await codec.prepare(topics.deadLetters, ['DeadLetterReturned']);
  // one id: whoever returns letters at the same time is fenced, and returns nothing
  const session = await log.transactions(`${topics.deadLetters}.return`, 60_000);
  const headers = headerMaker('millrace.DeadLetterReturned', 'millrace/dead-letters');
  try {
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
            wholeRecord(letter, offset),
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
  } finally {
    await session.close();
  }
}

/** The record as it was, with a header that says which letter it comes from. */
function wholeRecord(letter: DeadLetter, offset: number): NewRecord {
  return {
    topic: letter.source_topic,
    partition: letter.source_partition,
    timestampMs: letter.source_timestamp,
    key: letter.key,
    value: letter.value,
    headers: [
      ...Object.entries(letter.headers)
        .filter(([key]) => key !== 'millrace-dead-letter')
        .map(([key, value]) => ({ key, value })),
      { key: 'millrace-dead-letter', value: Buffer.from(String(offset)) },
    ],
  };
}
