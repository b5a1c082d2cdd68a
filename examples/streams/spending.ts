// Money spent per card and day; a card that spends more than its limit is reported at once, and each day is closed at midnight.
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';

export interface Payment {
  readonly card: string;
  readonly amount: number;
  /** epoch ms */
  readonly paid_at: number;
}

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
    .stream('payments', json<Payment>(), { timeOf: (payment) => payment.paid_at })
    .keyBy((payment) => payment.card)
    .process<Day, Day>('per-day', {
      state: json(),
      each: (payment, { key, state, setState, setTimer, emit }) => {
        const day = dayOf(payment.paid_at);
        const before = state?.day === day ? state.spent : 0;
        const spent = before + payment.amount;
        setState({ card: key, day, spent, state: spent > LIMIT ? 'over limit' : 'open' });
        setTimer((Math.floor(payment.paid_at / DAY_MS) + 1) * DAY_MS);
        if (spent > LIMIT && before <= LIMIT) emit({ card: key, day, spent, state: 'over limit' });
      },
      timer: ({ state, setState, emit }) => {
        if (state !== undefined) emit({ ...state, state: 'closed' });
        setState(undefined);
      },
    })
    .to('spending', json());
});
