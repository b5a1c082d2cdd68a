// evolve: state × event → state. Every event of the log has its case; one without is a deployment fault.
import { type Event } from '../../schemas/codec.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { type RoutingChanged } from '../../schemas/events.generated.ts';
import { type EndpointState, type LifecycleState, type VersionState, newEndpoint } from './state.ts';

/** Applies one event in place (the caller owns the state). */
export function evolve(state: LifecycleState, event: Event): void {
  switch (event.name) {
    case 'DefinitionApplied': {
      const { kind, name, hash, spec } = event.value;
      state.definitions.set(`${kind}/${name}`, { hash, definition: JSON.parse(spec) as Definition });
      if (kind === 'endpoint') endpointOf(state, name);
      return;
    }
    case 'ExperimentCreated':
      state.experiments.set(event.value.experiment_id, { id: event.value.experiment_id, name: event.value.name });
      return;
    case 'RunStarted':
      state.runs.set(event.value.run_id, { experimentId: event.value.experiment_id, status: 'RUNNING' });
      return;
    case 'RunEnded': {
      const run = state.runs.get(event.value.run_id);
      if (run !== undefined) run.status = event.value.status;
      return;
    }
    case 'AlertRaised':
      state.alerts.add(event.value.alert_id);
      return;
    case 'RetrainingRequested':
    case 'ControlAdvanced':
    case 'ControlHeld':
      return evolveControl(state, event);
    case 'ModelRegistered':
    case 'ModelVersionCreated':
    case 'VersionApproved':
    case 'VersionRejected':
    case 'AliasSet':
      return evolveModel(state, event);
    case 'TrainingRequested':
    case 'TrainingStarted':
    case 'TrainingCompleted':
    case 'TrainingFailed':
      return evolveTraining(state, event);
    case 'RolloutStarted':
    case 'RolloutAdvanced':
    case 'VerdictReached':
    case 'RoutingChanged':
    case 'Promoted':
    case 'RolledBack':
      return evolveRollout(state, event);
    case 'TrainingSetBuilt':
    case 'GatesChecked':
      return;
    // events of other topics never come here
    case 'Prediction':
    case 'Result':
    case 'Statistic':
    case 'DeadLetter':
    case 'DeadLetterReturned':
    case 'Watermarks':
    case 'Command':
    case 'CommandReply':
    case 'RunMetric':
    case 'RunParameter':
    case 'RunTag':
      return;
    default: {
      const unknown: never = event;
      throw new Error(`an event that this program does not know: ${JSON.stringify(unknown)}`);
    }
  }
}

export function endpointOf(state: LifecycleState, name: string): EndpointState {
  const known = state.endpoints.get(name) ?? newEndpoint();
  state.endpoints.set(name, known);
  return known;
}

type ControlEvent = Extract<Event, { name: 'RetrainingRequested' | 'ControlAdvanced' | 'ControlHeld' }>;

function evolveControl(state: LifecycleState, event: ControlEvent): void {
  const endpoint = endpointOf(state, event.value.endpoint);
  if (event.name === 'RetrainingRequested')
    endpoint.lastRetrainingMs = event.value.event_time ?? endpoint.lastRetrainingMs;
  else if (event.name === 'ControlHeld')
    endpoint.wantedUntilMs = Math.max(endpoint.wantedUntilMs ?? event.value.until, event.value.until);
  else {
    endpoint.controlUntilMs = event.value.until;
    if (endpoint.wantedUntilMs !== null && endpoint.wantedUntilMs <= event.value.until) endpoint.wantedUntilMs = null;
  }
}

type ModelEvent = Extract<
  Event,
  { name: 'ModelRegistered' | 'ModelVersionCreated' | 'VersionApproved' | 'VersionRejected' | 'AliasSet' }
>;

function evolveModel(state: LifecycleState, event: ModelEvent): void {
  const model = state.models.get(event.value.model) ?? {
    versions: new Map<number, VersionState>(),
    aliases: new Map<string, number>(),
  };
  state.models.set(event.value.model, model);
  if (event.name === 'ModelVersionCreated') {
    const { version, run_id, weights_sha256, weights_uri, inputs, training_id, metrics } = event.value;
    model.versions.set(version, {
      version,
      runId: run_id,
      weightsSha256: weights_sha256,
      servable: weights_uri !== '' && inputs !== '',
      trainingId: training_id,
      metrics,
      approval: 'none',
    });
  } else if (event.name === 'AliasSet') {
    if (event.value.version === 0) model.aliases.delete(event.value.alias);
    else model.aliases.set(event.value.alias, event.value.version);
  } else if (event.name !== 'ModelRegistered') {
    const version = model.versions.get(event.value.version);
    if (version !== undefined) version.approval = event.name === 'VersionApproved' ? 'approved' : 'rejected';
  }
}

type TrainingEvent = Extract<
  Event,
  { name: 'TrainingRequested' | 'TrainingStarted' | 'TrainingCompleted' | 'TrainingFailed' }
>;

function evolveTraining(state: LifecycleState, event: TrainingEvent): void {
  const id = event.value.training_id;
  if (event.name === 'TrainingRequested') {
    const { endpoint: name, model, effective_from, retraining_id } = event.value;
    state.trainings.set(id, {
      id,
      endpoint: name,
      model,
      effectiveFromMs: effective_from,
      retrainingId: retraining_id,
      status: 'requested',
    });
    const endpoint = endpointOf(state, name);
    endpoint.trainings += 1;
    endpoint.pendingTraining = id;
    return;
  }
  const training = state.trainings.get(id);
  if (training === undefined) return;
  training.status =
    event.name === 'TrainingStarted' ? 'started' : event.name === 'TrainingCompleted' ? 'completed' : 'failed';
  if (event.name === 'TrainingStarted') return;
  const endpoint = endpointOf(state, training.endpoint);
  if (endpoint.pendingTraining === id) endpoint.pendingTraining = null;
}

type RolloutEvent = Extract<
  Event,
  { name: 'RolloutStarted' | 'RolloutAdvanced' | 'VerdictReached' | 'RoutingChanged' | 'Promoted' | 'RolledBack' }
>;

function evolveRollout(state: LifecycleState, event: RolloutEvent): void {
  const endpoint = endpointOf(state, event.value.endpoint);
  switch (event.name) {
    case 'RolloutStarted':
      endpoint.rollouts += 1;
      endpoint.rollout = {
        id: event.value.rollout_id,
        challenger: event.value.challenger,
        effectiveFromMs: event.value.effective_from,
        stage: 'shadow',
        undecided: 0,
      };
      return;
    case 'RolloutAdvanced':
      if (event.value.stage === 'canary' && endpoint.rollout !== null) endpoint.rollout.stage = 'canary';
      else if (event.value.stage !== 'shadow') endpoint.rollout = null;
      return;
    case 'VerdictReached':
      if (endpoint.rollout !== null)
        endpoint.rollout.undecided =
          event.value.verdict === 'wait' || event.value.verdict === 'undecidable' ? endpoint.rollout.undecided + 1 : 0;
      return;
    case 'RoutingChanged':
      return changeRouting(endpoint, event.value);
    case 'Promoted':
      endpoint.previousChampion = event.value.previous_version;
      endpoint.champion = event.value.version;
      if (endpoint.reference === 0) endpoint.reference = event.value.version;
      return;
    case 'RolledBack':
      endpoint.previousChampion = event.value.from_version;
      endpoint.champion = event.value.to_version;
      return;
    default: {
      const unknown: never = event;
      throw new Error(String(unknown));
    }
  }
}

function changeRouting(endpoint: EndpointState, { arms }: RoutingChanged): void {
  endpoint.arms = arms;
}
