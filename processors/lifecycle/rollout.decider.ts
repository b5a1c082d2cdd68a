// Rollouts: shadow → canary → full, or refused; promotion and rollback by hand.
import { type Event } from '../../schemas/codec.ts';
import { type RoutingArm } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Rule } from './rule.ts';
import { plainArms } from './introduce.ts';
import {
  type EndpointState,
  type LifecycleState,
  type RolloutState,
  endpointDefinition,
  rolloutPolicyOf,
} from './state.ts';
import { requireServable } from './version.decider.ts';

/** After so many windows without a verdict the challenger is refused: a rollout must end. */
const UNDECIDED_MAX = 8;

interface Turn {
  readonly endpointName: string;
  readonly endpoint: EndpointState;
  readonly rollout: RolloutState;
  readonly model: string;
  readonly effectiveFromMs: number | null;
}

export const recordVerdict: Rule = (state, payload) => {
  const endpointName = payload.text('endpoint');
  const endpoint = state.endpoints.get(endpointName);
  const definition = endpointDefinition(state, endpointName);
  const rollout = endpoint?.rollout ?? null;
  if (endpoint === undefined || definition === null || rollout === null || rollout.id !== payload.text('rollout_id')) {
    throw new Failure('conflict', `There is no such rollout at ${endpointName}.`, {
      field: 'rollout_id',
      fix: 'It has ended; nothing is left to decide.',
    });
  }
  const decidedAt = payload.numberOrNull('decided_at');
  const policy = rolloutPolicyOf(state, endpointName);
  const value = {
    rollout_id: rollout.id,
    endpoint: endpointName,
    event_time: payload.numberOrNull('event_time'),
    verdict: payload.text('verdict'),
    metric: payload.text('metric'),
    rows: payload.number('rows'),
    champion_value: payload.numberOrNull('champion_value'),
    challenger_value: payload.numberOrNull('challenger_value'),
    difference: payload.numberOrNull('difference'),
    low: payload.numberOrNull('low'),
    high: payload.numberOrNull('high'),
    reason: payload.text('reason'),
  };
  const turn: Turn = {
    endpointName,
    endpoint,
    rollout,
    model: definition.model,
    effectiveFromMs: decidedAt === null ? null : decidedAt + (policy?.decision_lag_ms ?? 0),
  };
  return {
    events: [
      { name: 'VerdictReached', value },
      ...afterVerdict(turn, value.verdict, value.reason, policy?.canary_share ?? 0),
    ],
    result: { verdict: value.verdict },
  };
};

function afterVerdict(turn: Turn, verdict: string, reason: string, canaryShare: number): Event[] {
  const { rollout } = turn;
  if (verdict === 'fail') return refuse(turn, reason);
  if (rollout.stage === 'canary') return promote(turn, `The canary step held: ${reason}`);
  if (verdict === 'pass') return canaryShare > 0 ? startCanary(turn, canaryShare, reason) : promote(turn, reason);
  return rollout.undecided + 1 >= UNDECIDED_MAX
    ? refuse(turn, `No verdict after ${UNDECIDED_MAX} windows. ${reason}`)
    : [];
}

function advance(turn: Turn, stage: string, share: number, reason: string): Event {
  const { endpointName: endpoint, rollout, model, effectiveFromMs: effective_from } = turn;
  return {
    name: 'RolloutAdvanced',
    value: {
      rollout_id: rollout.id,
      endpoint,
      model,
      challenger: rollout.challenger,
      stage,
      share,
      effective_from,
      reason,
    },
  };
}

function route(turn: Turn, arms: readonly RoutingArm[], reason: string): Event {
  return {
    name: 'RoutingChanged',
    value: {
      endpoint: turn.endpointName,
      effective_from: turn.effectiveFromMs,
      rollout_id: turn.rollout.id,
      arms,
      reason,
    },
  };
}

function startCanary(turn: Turn, share: number, reason: string): Event[] {
  const { endpoint, model, rollout } = turn;
  const [champion, ...others] = plainArms(model, endpoint.champion, endpoint.reference);
  const arms: RoutingArm[] = [
    ...(champion === undefined ? [] : [{ ...champion, share: 1 - share }]),
    { arm: 'challenger', model, version: rollout.challenger, purpose: 'live', share },
    ...others,
  ];
  return [advance(turn, 'canary', share, reason), route(turn, arms, reason)];
}

function refuse(turn: Turn, reason: string): Event[] {
  const { endpoint, model, rollout } = turn;
  return [
    advance(turn, 'refused', 0, reason),
    { name: 'AliasSet', value: { model, alias: 'challenger', version: 0 } },
    route(turn, plainArms(model, endpoint.champion, endpoint.reference), `Version ${rollout.challenger} was refused.`),
  ];
}

function promote(turn: Turn, reason: string): Event[] {
  const { endpointName, endpoint, model, rollout, effectiveFromMs: effective_from } = turn;
  return [
    advance(turn, 'full', 1, reason),
    { name: 'AliasSet', value: { model, alias: 'challenger', version: 0 } },
    { name: 'AliasSet', value: { model, alias: 'champion', version: rollout.challenger } },
    {
      name: 'Promoted',
      value: {
        endpoint: endpointName,
        model,
        version: rollout.challenger,
        previous_version: endpoint.champion,
        effective_from,
        reason,
        rollout_id: rollout.id,
      },
    },
    route(turn, plainArms(model, rollout.challenger, endpoint.reference), reason),
  ];
}

interface ByHand {
  readonly name: string;
  readonly endpoint: EndpointState;
  readonly model: string;
}

function requireEndpoint(state: LifecycleState, name: string): ByHand {
  const endpoint = state.endpoints.get(name);
  const definition = endpointDefinition(state, name);
  if (endpoint === undefined || definition === null) {
    throw new Failure('unknown_name', `There is no endpoint ${name}.`, {
      field: 'endpoint',
      fix: `Known: ${[...state.endpoints.keys()].join(', ') || 'none yet'}.`,
    });
  }
  return { name, endpoint, model: definition.model };
}

function endRollout({ name, endpoint, model }: ByHand, stage: string, reason: string): Event[] {
  const { rollout } = endpoint;
  if (rollout === null) return [];
  const value = {
    rollout_id: rollout.id,
    endpoint: name,
    model,
    challenger: rollout.challenger,
    stage,
    share: stage === 'full' ? 1 : 0,
    effective_from: null,
    reason,
  };
  return [
    { name: 'RolloutAdvanced', value },
    { name: 'AliasSet', value: { model, alias: 'challenger', version: 0 } },
  ];
}

export const promoteByHand: Rule = (state, payload, context) => {
  const place = requireEndpoint(state, payload.text('endpoint'));
  const { name, endpoint, model } = place;
  const version = requireServable(state, model, payload.number('version'));
  const approves = version.approval !== 'approved' && payload.raw('approve') === true;
  if (version.approval !== 'approved' && !approves)
    throw new Failure('conflict', `Version ${version.version} of ${model} is not approved.`, {
      field: 'version',
      fix: 'Approve and promote it with `millrace promote … --approve`.',
    });
  if (version.version === endpoint.champion)
    throw new Failure('conflict', `Version ${version.version} is the champion already.`, {
      field: 'version',
      fix: 'Nothing to do.',
    });
  const reason = payload.textOr('reason', `promoted by ${context.issuedBy}`);
  const reference = endpoint.reference === 0 ? version.version : endpoint.reference;
  const approved: Event = {
    name: 'VersionApproved',
    value: { model, version: version.version, approved_by: context.issuedBy, reason },
  };
  return {
    events: [
      ...(approves ? [approved] : []),
      ...endRollout(place, endpoint.rollout?.challenger === version.version ? 'full' : 'refused', reason),
      { name: 'AliasSet', value: { model, alias: 'champion', version: version.version } },
      {
        name: 'Promoted',
        value: {
          endpoint: name,
          model,
          version: version.version,
          previous_version: endpoint.champion,
          effective_from: null,
          reason,
          rollout_id: endpoint.rollout?.id ?? '',
        },
      },
      {
        name: 'RoutingChanged',
        value: {
          endpoint: name,
          effective_from: null,
          rollout_id: '',
          arms: plainArms(model, version.version, reference),
          reason,
        },
      },
    ],
    result: { version: version.version },
  };
};

export const rollback: Rule = (state, payload, context) => {
  const place = requireEndpoint(state, payload.text('endpoint'));
  const { name, endpoint, model } = place;
  const to = payload.numberOrNull('version') ?? endpoint.previousChampion;
  if (to === 0)
    throw new Failure('conflict', `${name} has no earlier champion to go back to.`, {
      field: 'endpoint',
      fix: 'Name a version with --version.',
    });
  requireServable(state, model, to);
  if (to === endpoint.champion)
    throw new Failure('conflict', `Version ${to} is the champion already.`, {
      field: 'version',
      fix: 'Nothing to do.',
    });
  const reason = payload.textOr('reason', `rolled back by ${context.issuedBy}`);
  return {
    events: [
      ...endRollout(place, 'rolled_back', reason),
      { name: 'AliasSet', value: { model, alias: 'champion', version: to } },
      {
        name: 'RolledBack',
        value: {
          endpoint: name,
          model,
          from_version: endpoint.champion,
          to_version: to,
          effective_from: null,
          requested_by: context.issuedBy,
          reason,
        },
      },
      {
        name: 'RoutingChanged',
        value: {
          endpoint: name,
          effective_from: null,
          rollout_id: '',
          arms: plainArms(model, to, endpoint.reference),
          reason,
        },
      },
    ],
    result: { from_version: endpoint.champion, to_version: to },
  };
};
