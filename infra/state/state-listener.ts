// The port at which other machines read the states of this process: the state paths and nothing else, to who shows the token.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { Failure } from '../../schemas/failure.ts';
import { type MemberAddress } from '../../streams/log.ts';
import { type Settings, type StateListenerSettings } from '../settings.ts';
import { type StateServer, answerWith } from './state-server.ts';

/** Instances of one machine have the same settings: each takes the first port that is free. */
const PORTS_TRIED_MAX = 100;

export interface StateListener {
  readonly server: Server;
  /** to be told to the groups of this process */
  readonly address: MemberAddress;
}

/** @returns null: others are not to reach the states here. @throws Failure `port_in_use` */
export async function listenForOthers(
  states: StateServer,
  { stateListener, stateToken }: Pick<Settings, 'stateListener' | 'stateToken'>,
): Promise<StateListener | null> {
  if (stateListener === null || stateToken === null) return null;
  const wanted = digestOf(`Bearer ${stateToken}`);
  const server = createServer((request, response) => {
    const isKnown = timingSafeEqual(digestOf(request.headers.authorization ?? ''), wanted);
    if (isKnown && states.take(request, response)) return;
    // what an unknown one sends is not read
    response.setHeader('Connection', 'close');
    answerWith(response, Promise.reject(isKnown ? unknownPath(request.url ?? '') : unauthorized()));
  });
  return { server, address: { host: stateListener.advertisedHost, port: await listen(server, stateListener) } };
}

/** Of equal length whatever was given, so that comparing takes equally long. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function unauthorized(): Failure {
  return new Failure('unauthorized', 'The token is missing, or is another one.', {
    field: 'Authorization',
    fix: 'Send `Authorization: Bearer TOKEN`, with MILLRACE_STATE_TOKEN of the instance that is asked.',
  });
}

function unknownPath(path: string): Failure {
  return new Failure('unknown_name', `There is no ${path} here.`, { field: 'path', fix: 'States are below /state.' });
}

async function listen(server: Server, { host, port }: StateListenerSettings): Promise<number> {
  for (let tried = 0; ; tried += 1) {
    try {
      server.listen({ port: port === 0 ? 0 : port + tried, ...(host === null ? {} : { host }) });
      await once(server, 'listening');
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    } catch (cause) {
      const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
      if (isTaken && port !== 0 && tried + 1 < PORTS_TRIED_MAX && port + tried < 65_535) continue;
      throw isTaken ? taken(port, tried, cause) : notHere(host, port, cause);
    }
  }
}

function taken(port: number, tried: number, cause: Error): Failure {
  return new Failure('port_in_use', `The ports ${port} to ${port + tried} are taken.`, {
    ...{ field: 'MILLRACE_STATE_PORT', fix: 'Set MILLRACE_STATE_PORT to another one, or to 0 for any.', cause },
  });
}

function notHere(host: string | null, port: number, cause: unknown): Failure {
  return new Failure('port_in_use', `Port ${port} of ${host ?? 'this machine'} cannot be opened: ${String(cause)}.`, {
    field: 'MILLRACE_STATE_HOST',
    fix: 'Set MILLRACE_STATE_HOST to an address of this machine, or to 0.0.0.0 for all, and MILLRACE_STATE_PORT to a port that this user may open.',
    cause,
  });
}
