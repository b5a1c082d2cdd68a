// The state that decisions are made on: a fold of millrace.lifecycle.
import {
  type Definition,
  type EndpointDefinition,
  type RetrainingPolicyDefinition,
  type RolloutPolicyDefinition,
} from '../../schemas/definitions.ts';
import { type RoutingArm } from '../../schemas/events.generated.ts';

export interface VersionState {
  readonly version: number;
  readonly runId: string;
  readonly weightsSha256: string;
  /** weights and inputs are registered: without them nothing can be scored */
  readonly servable: boolean;
  readonly trainingId: string;
  readonly metrics: Readonly<Record<string, number>>;
  approval: 'none' | 'approved' | 'rejected';
}

export interface ModelState {
  readonly versions: Map<number, VersionState>;
  readonly aliases: Map<string, number>;
}

export interface TrainingState {
  readonly id: string;
  readonly endpoint: string;
  readonly model: string;
  readonly effectiveFromMs: number | null;
  readonly retrainingId: string;
  status: 'requested' | 'started' | 'completed' | 'failed';
}

export interface RolloutState {
  readonly id: string;
  readonly challenger: number;
  readonly effectiveFromMs: number | null;
  stage: 'shadow' | 'canary';
  /** verdicts in a row that decided nothing */
  undecided: number;
}

export interface EndpointState {
  controlUntilMs: number | null;
  /** what AdvanceControl asked for while a training was pending */
  wantedUntilMs: number | null;
  pendingTraining: string | null;
  champion: number;
  previousChampion: number;
  /** the first champion: it scores in shadow for ever, so that "without retraining" stays measurable */
  reference: number;
  rollout: RolloutState | null;
  trainings: number;
  rollouts: number;
  lastRetrainingMs: number | null;
  arms: readonly RoutingArm[];
}

export interface LifecycleState {
  readonly definitions: Map<string, { readonly hash: string; readonly definition: Definition }>;
  readonly experiments: Map<string, { readonly id: string; readonly name: string }>;
  readonly runs: Map<string, { readonly experimentId: string; status: string }>;
  readonly models: Map<string, ModelState>;
  readonly trainings: Map<string, TrainingState>;
  readonly endpoints: Map<string, EndpointState>;
  readonly alerts: Set<string>;
}

export function emptyState(): LifecycleState {
  return {
    definitions: new Map(),
    experiments: new Map(),
    runs: new Map(),
    models: new Map(),
    trainings: new Map(),
    endpoints: new Map(),
    alerts: new Set(),
  };
}

export function newEndpoint(): EndpointState {
  return {
    controlUntilMs: null,
    wantedUntilMs: null,
    pendingTraining: null,
    champion: 0,
    previousChampion: 0,
    reference: 0,
    rollout: null,
    trainings: 0,
    rollouts: 0,
    lastRetrainingMs: null,
    arms: [],
  };
}

export function endpointDefinition(state: LifecycleState, name: string): EndpointDefinition | null {
  const found = state.definitions.get(`endpoint/${name}`)?.definition;
  return found?.kind === 'endpoint' ? found : null;
}

export function retrainingPolicyOf(state: LifecycleState, endpoint: string): RetrainingPolicyDefinition | null {
  for (const { definition } of state.definitions.values())
    if (definition.kind === 'retraining_policy' && definition.endpoint === endpoint) return definition;
  return null;
}

export function rolloutPolicyOf(state: LifecycleState, endpoint: string): RolloutPolicyDefinition | null {
  for (const { definition } of state.definitions.values())
    if (definition.kind === 'rollout_policy' && definition.endpoint === endpoint) return definition;
  return null;
}
