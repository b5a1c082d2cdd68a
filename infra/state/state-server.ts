// The state paths of a process: the public ones, answered for all places, and the one by which processes ask each other. They are
// on its loopback port, and where others may read states on a port for them (state-listener.ts).
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { problemOf } from '../../serving/problem.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Application } from '../../streams/application.ts';
import { systemClock } from '../clock.ts';
import { HERE_PATH, type PlacedQuestion, type Places, StateHere } from './places.ts';
import { answerState } from './state-http.ts';
import { StateRouter } from './state-router.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;

export class StateServer {
  readonly #here: StateHere;
  readonly #router: StateRouter;

  constructor(applications: () => readonly Application[], places: Places) {
    this.#here = new StateHere(() => applications().map(({ queries }) => queries));
    this.#router = new StateRouter(places, systemClock);
  }

  /** @returns false: it is none of these paths */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    if (path !== HERE_PATH && path !== '/state' && !path.startsWith('/state/')) return false;
    answerWith(response, this.#answer(request, path));
    return true;
  }

  async #answer(request: IncomingMessage, path: string): Promise<unknown> {
    const { method = 'GET', url = '' } = request;
    const body = method === 'POST' ? await jsonOf(request) : undefined;
    if (path === HERE_PATH) return method === 'POST' ? this.#here.ask(body as PlacedQuestion) : this.#here.held();
    return answerState(this.#router, { method, url, body, header: (name) => request.headers[name]?.toString() });
  }
}

/** What it resolves to as JSON, or what went wrong. */
export function answerWith(response: ServerResponse, body: Promise<unknown>): void {
  const write = ({ status, body: told }: { status: number; body: unknown }): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(told));
  };
  body
    .then((told) => ({ status: 200, body: told }))
    .catch(problemOf)
    .then(write)
    // an answer that cannot be written as JSON is the asker's to hear of, not the end of the process
    .catch((error: unknown) => write(problemOf(error)));
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > BODY_BYTES_MAX)
      throw new Failure('too_large', `The body has more than ${BODY_BYTES_MAX} bytes.`, { fix: 'Ask for fewer keys.' });
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch (cause) {
    throw new Failure('invalid_request', `The body is no JSON: ${String(cause)}.`, { fix: 'Send JSON.', cause });
  }
}
