// Where states can be asked: the applications of this process, and, over loopback, those of the other processes of the data folder.
import { type HeldStore, type StateAnswer, type StateQuestion } from '../../streams/queries/question.ts';
import { type StateQueries } from '../../streams/queries/state-queries.ts';
import { FAILURE_CODES, Failure } from '../../schemas/failure.ts';
import { instancesIn } from '../instances.ts';

export interface HeldStores {
  readonly application: string;
  readonly stores: readonly HeldStore[];
}

/** What a place is asked, and answers, over loopback. */
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
  /** null: it does not answer */
  held(): Promise<readonly HeldStores[] | null>;
  /** @returns null: the partition is not there (any more), or nobody answers. @throws Failure */
  ask(question: PlacedQuestion): Promise<StateAnswer | null>;
}

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
export function placesOf(dataDir: string): StatePlace[] {
  return instancesIn(dataDir).map(({ port }) => placeAt(port));
}

export function placeAt(port: number): StatePlace {
  const url = `http://127.0.0.1:${port}${HERE_PATH}`;
  return {
    async held() {
      return (await told(url, {}, ANSWER_WITHIN_MS)) as readonly HeldStores[] | null;
    },
    async ask(asked) {
      const init = { method: 'POST', body: JSON.stringify(asked) };
      const answered = (await told(url, init, asked.question.waitMs + ANSWER_WITHIN_MS)) as PlacedAnswer | null;
      if (answered === null) return null;
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
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
