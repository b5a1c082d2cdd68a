// Session windows with partial results: sessions.ts says which sessions an event joins, here they are folded.
import { type BoxedPartials } from './boxed-partials.ts';
import { type BoxedRow, type BoxedWindows } from './boxed-row.ts';
import { type SessionTimes, assignSession, finalSessions } from './sessions.ts';

export class SessionWindows implements BoxedWindows {
  readonly #partials: BoxedPartials;
  readonly #times: SessionTimes;
  readonly latenessMs: number;

  constructor(partials: BoxedPartials, times: SessionTimes) {
    this.#partials = partials;
    this.#times = times;
    this.latenessMs = times.latenessMs;
  }

  add(row: BoxedRow, event: unknown, timeMs: number, watermarkMs: number): BoxedRow | null {
    const { entries } = row;
    const change = assignSession(entries, timeMs, watermarkMs, this.#times);
    if (change.kind === 'too late') return null;
    const { from, count, session } = change;
    const parts = entries.slice(from, from + count).map(({ partials }) => partials);
    const partials = this.#partials.withEvent(parts, event, timeMs);
    return { ...row, entries: entries.toSpliced(from, count, { ...session, partials }) };
  }

  close(row: BoxedRow, watermarkMs: number): ReturnType<BoxedWindows['close']> {
    const final = finalSessions(row.entries, watermarkMs, this.#times);
    return {
      row: { ...row, entries: row.entries.slice(final) },
      closed: row.entries
        .slice(0, final)
        .map(({ firstMs, lastMs, partials }) => ({ startMs: firstMs, endMs: lastMs, partials })),
    };
  }

  nextCloseMs({ entries: [oldest] }: BoxedRow): number | null {
    if (oldest === undefined) return null;
    const { gapMs, latenessMs } = this.#times;
    // an event exactly one gap after the last still belongs to it
    return oldest.lastMs + gapMs + latenessMs + 1;
  }
}
