// The end of a changelog that a state is brought up to may be gone before it is read: a broker that was not in sync has become leader,
// and what lay at the end is lost. Nobody writes there as long as the state's task waits for it, so it would wait for ever.
import { type Clock } from './clock.ts';
import { type ChangelogBounds, boundsOf } from './local-store.ts';
import { type LogAdmin, type TopicPartition } from './log.ts';

/** Much longer than a fetch that brings nothing, and no burden for a broker: one small request for each state that stands still. */
const ASK_AGAIN_MS = 5000;

export interface Awaited {
  readonly changelog: TopicPartition;
  /** the offset that is to be read next */
  next(): number;
  /** where the changelog ends now; what is read already does not go beyond */
  endsAt(bounds: ChangelogBounds): unknown;
}

/** Waits for `pending`, and asks anew where the changelog ends as long as nothing more of it comes. */
export async function untilRead<T>(
  pending: Promise<T>,
  awaited: Awaited,
  parts: { readonly admin: Pick<LogAdmin, 'offsets'>; readonly clock: Clock },
): Promise<T> {
  const over = new AbortController();
  askAgain(awaited, parts, over.signal).catch(() => undefined);
  try {
    return await pending;
  } finally {
    over.abort();
  }
}

async function askAgain(
  { changelog, next, endsAt }: Awaited,
  parts: { readonly admin: Pick<LogAdmin, 'offsets'>; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  for (let before = next(); ; before = next()) {
    await parts.clock.sleep(ASK_AGAIN_MS, signal);
    if (signal.aborted) return;
    if (next() !== before) continue;
    // who does not answer now is asked again
    const bounds = await boundsOf(parts, changelog).catch(() => null);
    if (signal.aborted) return;
    // where more was read than there is now, the reader tells of a gap: that must not pass for the end
    if (bounds !== null && bounds.end >= next()) endsAt(bounds);
  }
}
