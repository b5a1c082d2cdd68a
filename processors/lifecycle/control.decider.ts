// The clock of decisions: alerts, and how far requests may be scored before the next decision.
//
// Decisions of the window that ends a period are made at T_k and take effect at T_k + lag. While a training is pending, nothing
// beyond its effect time is let go; what was asked for meanwhile is remembered.
import { type Event } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Rule } from './rule.ts';
import { letGo } from './release.ts';
import {
  type EndpointState,
  type LifecycleState,
  endpointDefinition,
  newEndpoint,
  retrainingPolicyOf,
  rolloutPolicyOf,
} from './state.ts';
import { orderTraining } from './training.decider.ts';

const FOREVER_MS = 8.64e15;

export const advanceControl: Rule = (state, payload) => {
  const name = payload.text('endpoint');
  const endpoint = state.endpoints.get(name);
  if (endpoint === undefined)
    throw new Failure('unknown_name', `There is no endpoint ${name}.`, {
      field: 'endpoint',
      fix: 'Apply its definition first.',
    });
  const decidedAt = payload.number('decided_at');
  const lag = rolloutPolicyOf(state, name)?.decision_lag_ms ?? 0;
  const until = payload.number('next_decision_at') + lag - 1;
  const events = initialTraining(state, name, endpoint, decidedAt);
  const pending = endpoint.pendingTraining !== null || events.length > 0;
  return {
    events: [
      ...events,
      ...letGo(
        endpoint,
        name,
        until,
        pending,
        `The window that was decided at ${new Date(decidedAt).toISOString()} asks for nothing more.`,
      ),
    ],
    result: { pending },
  };
};

function initialTraining(state: LifecycleState, name: string, endpoint: EndpointState, decidedAt: number): Event[] {
  const initial = retrainingPolicyOf(state, name)?.initial ?? null;
  if (initial === null || endpoint.trainings > 0 || endpoint.champion !== 0 || decidedAt < initial.train_to) return [];
  return orderTraining(state, {
    endpoint: name,
    fromMs: initial.train_from,
    toMs: initial.train_to,
    cutoffMs: initial.train_to,
    effectiveFromMs: endpointDefinition(state, name)?.serve_from ?? null,
    eventTimeMs: null,
    alertId: '',
    reason: 'The first model: its training range is over.',
  });
}

export const releaseControl: Rule = (state, payload) => {
  const name = payload.text('endpoint');
  const endpoint = state.endpoints.get(name) ?? newEndpoint();
  return {
    events: letGo(
      endpoint,
      name,
      FOREVER_MS,
      endpoint.pendingTraining !== null,
      'The replay is over: requests are taken as they come.',
    ),
    result: {},
  };
};

export const raiseAlert: Rule = (state, payload) => {
  const value = {
    alert_id: payload.text('alert_id'),
    monitor: payload.text('monitor'),
    endpoint: payload.text('endpoint'),
    event_time: payload.number('event_time'),
    statistic_id: payload.textOr('statistic_id', ''),
    name: payload.text('name'),
    subject: payload.textOr('subject', ''),
    value: payload.number('value'),
    threshold: payload.number('threshold'),
    reason: payload.text('reason'),
  };
  if (state.alerts.has(value.alert_id)) return { events: [], result: { alert_id: value.alert_id } };
  const raised: Event = { name: 'AlertRaised', value };
  return { events: [raised, ...retrainingAfter(state, value)], result: { alert_id: value.alert_id } };
};

function retrainingAfter(
  state: LifecycleState,
  alert: { readonly alert_id: string; readonly endpoint: string; readonly event_time: number; readonly reason: string },
): Event[] {
  const policy = retrainingPolicyOf(state, alert.endpoint);
  const endpoint = state.endpoints.get(alert.endpoint);
  if (policy === null || endpoint === undefined || endpoint.champion === 0) return [];
  if (endpoint.pendingTraining !== null || endpoint.rollout !== null) return [];
  if (endpoint.lastRetrainingMs !== null && alert.event_time - endpoint.lastRetrainingMs < policy.cooldown_ms)
    return [];
  const lag = rolloutPolicyOf(state, alert.endpoint)?.decision_lag_ms ?? 0;
  return orderTraining(state, {
    endpoint: alert.endpoint,
    fromMs: alert.event_time - policy.history_ms,
    toMs: alert.event_time,
    cutoffMs: alert.event_time,
    effectiveFromMs: alert.event_time + lag,
    eventTimeMs: alert.event_time,
    alertId: alert.alert_id,
    reason: alert.reason,
  });
}
