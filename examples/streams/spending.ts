// Money spent per card and day; a card that spends more than its limit is reported at once, and each day is closed at midnight.
import { json } from '../../streams/builder/format.ts';
import { record } from '../../streams/builder/record-format.ts';
import { topology } from '../../streams/builder/topology.ts';

/** What is no such payment goes to the dead letters. `paid_at` in epoch ms. */
const payment = record({ card: 'text', amount: 'number', paid_at: 'integer' });

export interface Day {
  readonly card: string;
  readonly day: string;
  readonly spent: number;
  readonly state: 'open' | 'over limit' | 'closed';
}

const DAY_MS = 86_400_000;
const LIMIT = 1000;
const dayOf = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, 10);

export default topology('spending', (builder) => {
  builder
    .stream('payments', payment, { timeOf: ({ paid_at }) => paid_at })
    .keyBy(({ card }) => card)
    .process<Day, Day>('per-day', {
      state: json(),
      each: ({ amount, paid_at }, { key, state, setState, setTimer, emit }) => {
        const day = dayOf(paid_at);
        const before = state?.day === day ? state.spent : 0;
        const spent = before + amount;
        setState({ card: key, day, spent, state: spent > LIMIT ? 'over limit' : 'open' });
        setTimer((Math.floor(paid_at / DAY_MS) + 1) * DAY_MS);
        if (spent > LIMIT && before <= LIMIT) emit({ card: key, day, spent, state: 'over limit' });
      },
      timer: ({ state, setState, emit }) => {
        if (state !== undefined) emit({ ...state, state: 'closed' });
        setState(undefined);
      },
    })
    .to('spending', json());
});
