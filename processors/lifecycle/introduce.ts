// An approved version comes to its endpoint: as the first champion, or as a challenger in shadow.
import { type Event } from '../../schemas/codec.ts';
import { type RoutingArm } from '../../schemas/events.generated.ts';
import { type EndpointState, type LifecycleState, endpointDefinition, newEndpoint, rolloutPolicyOf } from './state.ts';

/** The arms of a plain endpoint: the champion answers, the reference (the first champion) scores beside it. */
export function plainArms(model: string, champion: number, reference: number): RoutingArm[] {
  const arms: RoutingArm[] = [{ arm: 'champion', model, version: champion, purpose: 'live', share: 1 }];
  if (reference !== 0 && reference !== champion)
    arms.push({ arm: 'reference', model, version: reference, purpose: 'shadow', share: 1 });
  return arms;
}

export function introduce(
  state: LifecycleState,
  endpointName: string,
  version: number,
  effectiveFromMs: number | null,
): Event[] {
  const definition = endpointDefinition(state, endpointName);
  if (definition === null) return [];
  const endpoint = state.endpoints.get(endpointName) ?? newEndpoint();
  return endpoint.champion === 0
    ? firstChampion(definition.model, endpointName, version, effectiveFromMs)
    : challenger(state, endpoint, definition.model, endpointName, version, effectiveFromMs);
}

function firstChampion(model: string, endpoint: string, version: number, effective_from: number | null): Event[] {
  const reason = `Version ${version} is the first approved version of ${model}.`;
  return [
    { name: 'AliasSet', value: { model, alias: 'champion', version } },
    {
      name: 'Promoted',
      value: { endpoint, model, version, previous_version: 0, effective_from, reason, rollout_id: '' },
    },
    {
      name: 'RoutingChanged',
      value: { endpoint, effective_from, rollout_id: '', arms: plainArms(model, version, 0), reason },
    },
  ];
}

function challenger(
  state: LifecycleState,
  endpoint: EndpointState,
  model: string,
  name: string,
  version: number,
  effective_from: number | null,
): Event[] {
  const rollout_id = `${name}-rollout-${endpoint.rollouts + 1}`;
  const policy = rolloutPolicyOf(state, name)?.name ?? '';
  const reason = `Version ${version} scores every request in shadow beside the champion, version ${endpoint.champion}.`;
  const arms: RoutingArm[] = [
    ...plainArms(model, endpoint.champion, endpoint.reference),
    { arm: 'challenger', model, version, purpose: 'shadow', share: 1 },
  ];
  return [
    { name: 'AliasSet', value: { model, alias: 'challenger', version } },
    {
      name: 'RolloutStarted',
      value: {
        rollout_id,
        endpoint: name,
        model,
        champion: endpoint.champion,
        challenger: version,
        policy,
        effective_from,
        reason,
      },
    },
    {
      name: 'RolloutAdvanced',
      value: {
        rollout_id,
        endpoint: name,
        model,
        challenger: version,
        stage: 'shadow',
        share: 0,
        effective_from,
        reason,
      },
    },
    { name: 'RoutingChanged', value: { endpoint: name, effective_from, rollout_id, arms, reason } },
  ];
}
