// How far requests may be scored, as events.
import { type Event } from '../../schemas/codec.ts';
import { type EndpointState, type LifecycleState } from './state.ts';

function advanced(endpoint: string, until: number, reason: string): Event {
  return { name: 'ControlAdvanced', value: { endpoint, until, reason } };
}

/** Once no training is pending any more: what was asked for in the meantime. */
export function releaseAfterTraining(state: LifecycleState, endpoint: string, reason: string): Event[] {
  const until = state.endpoints.get(endpoint)?.wantedUntilMs ?? null;
  return until === null ? [] : [advanced(endpoint, until, reason)];
}

/** Lets requests go up to `until`, or remembers it while a training is pending. */
export function letGo(endpoint: EndpointState, name: string, until: number, pending: boolean, reason: string): Event[] {
  if (pending) return [{ name: 'ControlHeld', value: { endpoint: name, until, reason } }];
  if (endpoint.controlUntilMs !== null && until <= endpoint.controlUntilMs) return [];
  return [advanced(name, until, reason)];
}
