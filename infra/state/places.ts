// Where states can be asked: the applications of this process; over loopback, those of the other processes of the data folder, by its
// run files; and those of other machines (group-places.ts). The files stay for what no group tells of: instances that other machines
// are not to reach, and brokers whose groups keep no addresses.
import { type HeldStore, type StateAnswer, type StateQuestion } from '../../streams/queries/question.ts';
import { type StateQueries } from '../../streams/queries/state-queries.ts';
import { FAILURE_CODES, Failure } from '../../schemas/failure.ts';
import { STATUS } from '../../serving/problem.ts';
import { type MemberAddress } from '../../streams/log.ts';
import { instancesIn } from '../instances.ts';

export interface HeldStores {
  readonly application: string;
  readonly stores: readonly HeldStore[];
}

/** What a place is asked, and answers: of its own applications only, it asks nobody else. */
export interface PlacedQuestion {
  readonly application: string;
  readonly question: StateQuestion;
}
export type PlacedAnswer =
  { readonly answer: StateAnswer | null } | { readonly failure: Pick<Failure, 'code' | 'message' | 'field' | 'fix'> };

export const HERE_PATH = '/state-here';

/** One that does not answer is busy or gone: others should not wait for it. */
const ANSWER_WITHIN_MS = 2000;

export interface StatePlace {
  /** host and port, for people */
  readonly name: string;
  /** null: it does not answer; refused: it takes no question from here */
  held(): Promise<readonly HeldStores[] | 'refused' | null>;
  /** @returns null: the partition is not there (any more), or nobody answers. @throws Failure */
  ask(question: PlacedQuestion): Promise<StateAnswer | null>;
}

/** Where to ask for the states of an application; null: of all. Each may be told twice. */
export type Places = (application: string | null) => Promise<readonly StatePlace[]>;

/** The applications of this process. */
export class StateHere {
  readonly #applications: () => readonly StateQueries[];

  constructor(applications: () => readonly StateQueries[]) {
    this.#applications = applications;
  }

  held(): HeldStores[] {
    return this.#applications()
      .map((one) => ({ application: one.id, stores: one.stores() }))
      .filter(({ stores }) => stores.length > 0);
  }

  async ask({ application, question }: PlacedQuestion): Promise<PlacedAnswer> {
    const here = this.#applications().find(({ id }) => id === application);
    if (here === undefined) return { answer: null };
    try {
      return { answer: await here.ask(question) };
    } catch (error) {
      // whatever a step's `show` throws is the asker's to hear of: nobody else would answer better
      const { code, message, field, fix } = error instanceof Failure ? error : new Failure('internal', String(error));
      return { failure: { code, message, field, fix } };
    }
  }
}

/** Every process of the data folder, this one too. */
export function placesIn(dataDir: string): StatePlace[] {
  return instancesIn(dataDir).map(({ port }) => placeAt({ host: '127.0.0.1', port }, null));
}

/** @param token shown to the place; null: it asks for none, on loopback */
export function placeAt({ host, port }: MemberAddress, token: string | null): StatePlace {
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const url = `http://${name}${HERE_PATH}`;
  const shown: RequestInit = {
    redirect: 'error',
    ...(token === null ? {} : { headers: { Authorization: `Bearer ${token}` } }),
  };
  return {
    name,
    async held() {
      return (await told(url, shown, ANSWER_WITHIN_MS)) as readonly HeldStores[] | 'refused' | null;
    },
    async ask(asked) {
      const init: RequestInit = { ...shown, method: 'POST', body: JSON.stringify(asked) };
      const answered = (await told(url, init, asked.question.waitMs + ANSWER_WITHIN_MS)) as
        PlacedAnswer | 'refused' | null;
      if (answered === null || answered === 'refused') return null;
      if ('answer' in answered) return answered.answer;
      const { code, message, field, fix } = answered.failure;
      throw new Failure(FAILURE_CODES.find((known) => known === code) ?? 'internal', message, { field, fix });
    },
  };
}

async function told(url: string, init: RequestInit, withinMs: number): Promise<unknown> {
  const signal = AbortSignal.timeout(withinMs);
  try {
    const answer = await fetch(url, { ...init, signal });
    if (answer.status === STATUS.unauthorized) return 'refused';
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
