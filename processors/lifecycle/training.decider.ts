// Trainings: asked for, run by an executor, judged by the gates of the rollout policy.
import { type Event } from '../../schemas/codec.ts';
import { type GateDefinition } from '../../schemas/definitions.ts';
import { type GateResult } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Rule } from './rule.ts';
import { introduce } from './introduce.ts';
import { releaseAfterTraining } from './release.ts';
import { type Payload } from './payload.ts';
import {
  type LifecycleState,
  type TrainingState,
  endpointDefinition,
  newEndpoint,
  retrainingPolicyOf,
  rolloutPolicyOf,
} from './state.ts';
import { requireVersion } from './version.decider.ts';

export interface TrainingOrder {
  readonly endpoint: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly cutoffMs: number;
  readonly effectiveFromMs: number | null;
  readonly eventTimeMs: number | null;
  readonly alertId: string;
  readonly reason: string;
}

/** RetrainingRequested and TrainingRequested for an endpoint. */
export function orderTraining(state: LifecycleState, order: TrainingOrder): Event[] {
  const { endpoint, reason } = order;
  const count = (state.endpoints.get(endpoint) ?? newEndpoint()).trainings + 1;
  const policy = retrainingPolicyOf(state, endpoint);
  const retraining_id = `${endpoint}-retraining-${count}`;
  return [
    {
      name: 'RetrainingRequested',
      value: {
        retraining_id,
        endpoint,
        policy: policy?.name ?? '',
        alert_id: order.alertId,
        event_time: order.eventTimeMs,
        reason,
      },
    },
    {
      name: 'TrainingRequested',
      value: {
        training_id: `${endpoint}-training-${count}`,
        endpoint,
        model: endpointDefinition(state, endpoint)?.model ?? endpoint,
        trainer: policy?.trainer ?? 'lightgbm',
        train_from: order.fromMs,
        train_to: order.toMs,
        cutoff: order.cutoffMs,
        effective_from: order.effectiveFromMs,
        retraining_id,
        reason,
      },
    },
  ];
}

export const requestTraining: Rule = (state, payload, context) => {
  const endpoint = payload.text('endpoint');
  if (endpointDefinition(state, endpoint) === null)
    throw new Failure('unknown_name', `There is no endpoint ${endpoint}.`, {
      field: 'endpoint',
      fix: 'Apply its definition first.',
    });
  const pending = state.endpoints.get(endpoint)?.pendingTraining ?? null;
  if (pending !== null)
    throw new Failure('conflict', `${pending} is still under way.`, { field: 'endpoint', fix: 'Wait for it to end.' });
  const [fromMs, toMs] = [payload.number('train_from'), payload.number('train_to')];
  if (toMs <= fromMs)
    throw new Failure('invalid_field', 'train_to is not after train_from.', {
      field: 'train_to',
      fix: 'Give a range that has a length.',
    });
  const reason = payload.textOr('reason', `asked for by ${context.issuedBy}`);
  const events = orderTraining(state, {
    endpoint,
    fromMs,
    toMs,
    cutoffMs: toMs,
    effectiveFromMs: null,
    eventTimeMs: null,
    alertId: '',
    reason,
  });
  return {
    events,
    result: { training_id: `${endpoint}-training-${(state.endpoints.get(endpoint) ?? newEndpoint()).trainings + 1}` },
  };
};

function requireOpen(state: LifecycleState, payload: Payload): TrainingState {
  const id = payload.text('training_id');
  const training = state.trainings.get(id);
  if (training === undefined)
    throw new Failure('unknown_name', `There is no training ${id}.`, { field: 'training_id', fix: 'Check the id.' });
  if (training.status === 'completed' || training.status === 'failed')
    throw new Failure('conflict', `${id} has already ${training.status}.`, {
      field: 'training_id',
      fix: 'Ask for a new training.',
    });
  return training;
}

export const startTraining: Rule = (state, payload) => {
  const training = requireOpen(state, payload);
  return {
    events: [
      {
        name: 'TrainingStarted',
        value: {
          training_id: training.id,
          run_id: payload.textOr('run_id', ''),
          executor: payload.textOr('executor', 'local'),
        },
      },
    ],
    result: {},
  };
};

export const recordTrainingSet: Rule = (state, payload) => {
  const training = requireOpen(state, payload);
  const value = {
    training_set_id: payload.text('training_set_id'),
    training_id: training.id,
    endpoint: training.endpoint,
    rows: payload.number('rows'),
    positives: payload.number('positives'),
    train_from: payload.number('train_from'),
    train_to: payload.number('train_to'),
    cutoff: payload.number('cutoff'),
    location: payload.text('location'),
    manifest: payload.text('manifest'),
  };
  return { events: [{ name: 'TrainingSetBuilt', value }], result: {} };
};

export const failTraining: Rule = (state, payload) => {
  const training = requireOpen(state, payload);
  const failed: Event = {
    name: 'TrainingFailed',
    value: { training_id: training.id, run_id: payload.textOr('run_id', ''), reason: payload.text('reason') },
  };
  return {
    events: [failed, ...releaseAfterTraining(state, training.endpoint, `${training.id} failed; the champion stays.`)],
    result: {},
  };
};

export const completeTraining: Rule = (state, payload) => {
  const training = requireOpen(state, payload);
  const version = requireVersion(state, training.model, payload.number('version'));
  const { model, endpoint } = training;
  const completed: Event = {
    name: 'TrainingCompleted',
    value: { training_id: training.id, run_id: payload.textOr('run_id', ''), model, version: version.version },
  };
  const policy = rolloutPolicyOf(state, endpoint);
  const gates = (policy?.gates ?? []).map((gate) => checkGate(gate, version.metrics));
  const passed = gates.every((gate) => gate.passed);
  const events: Event[] = [
    completed,
    { name: 'GatesChecked', value: { model, version: version.version, passed, gates } },
  ];
  if (!passed) {
    const reason = gates
      .filter((gate) => !gate.passed)
      .map((gate) => gate.reason)
      .join(' ');
    events.push({
      name: 'VersionRejected',
      value: { model, version: version.version, rejected_by: policy?.name ?? 'gates', reason },
    });
  } else if (policy?.auto_approve === true) {
    const reason = gates.length === 0 ? 'The policy has no gates.' : gates.map((gate) => gate.reason).join(' ');
    events.push({
      name: 'VersionApproved',
      value: { model, version: version.version, approved_by: policy.name, reason },
    });
    events.push(...introduce(state, endpoint, version.version, training.effectiveFromMs));
  }
  events.push(...releaseAfterTraining(state, endpoint, `${training.id} has ended.`));
  return { events, result: { passed } };
};

function checkGate(gate: GateDefinition, metrics: Readonly<Record<string, number>>): GateResult {
  const value = metrics[gate.metric] ?? null;
  const threshold = gate.at_least ?? gate.at_most;
  const bound = gate.at_least === null ? `at most ${gate.at_most}` : `at least ${gate.at_least}`;
  if (value === null)
    return {
      name: gate.metric,
      passed: false,
      value,
      threshold,
      reason: `The run logged no ${gate.metric}; ${bound} is asked for.`,
    };
  const passed = (gate.at_least === null || value >= gate.at_least) && (gate.at_most === null || value <= gate.at_most);
  return {
    name: gate.metric,
    passed,
    value,
    threshold,
    reason: `${gate.metric} is ${value.toFixed(4)}, ${bound} is asked for`,
  };
}
