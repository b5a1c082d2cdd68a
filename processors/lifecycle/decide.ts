// decide: state × command → events, or a refusal. The parent of the rules: it only dispatches.
import { Failure } from '../../schemas/failure.ts';
import { didYouMean } from '../../schemas/reading.ts';
import { applyDefinitions } from './definitions.decider.ts';
import { createExperiment, endRun, startRun } from './run.decider.ts';
import { createModelVersion, registerModel, reviewVersion, setAlias } from './version.decider.ts';
import {
  completeTraining,
  failTraining,
  recordTrainingSet,
  requestTraining,
  startTraining,
} from './training.decider.ts';
import { promoteByHand, recordVerdict, rollback } from './rollout.decider.ts';
import { advanceControl, raiseAlert, releaseControl } from './control.decider.ts';
import { Payload } from './payload.ts';
import { type CommandContext, type Decision, type Rule } from './rule.ts';
import { type LifecycleState } from './state.ts';

const RULES: Readonly<Record<string, Rule>> = {
  ApplyDefinitions: applyDefinitions,
  CreateExperiment: createExperiment,
  StartRun: startRun,
  EndRun: endRun,
  RegisterModel: registerModel,
  CreateModelVersion: createModelVersion,
  ApproveVersion: reviewVersion('approved'),
  RejectVersion: reviewVersion('rejected'),
  SetAlias: setAlias,
  RequestTraining: requestTraining,
  StartTraining: startTraining,
  RecordTrainingSet: recordTrainingSet,
  CompleteTraining: completeTraining,
  FailTraining: failTraining,
  RecordVerdict: recordVerdict,
  Promote: promoteByHand,
  Rollback: rollback,
  RaiseAlert: raiseAlert,
  AdvanceControl: advanceControl,
  ReleaseControl: releaseControl,
};

export const COMMAND_TYPES: readonly string[] = Object.keys(RULES);

/** @throws Failure when the command is refused; nothing has changed then */
export function decide(state: LifecycleState, type: string, payload: string, context: CommandContext): Decision {
  const rule = RULES[type];
  if (rule === undefined)
    throw new Failure('unknown_name', `There is no command ${type}.`, {
      field: 'type',
      fix: didYouMean(type, COMMAND_TYPES),
    });
  const read = new Payload(payload);
  try {
    return rule(state, read, context);
  } catch (error) {
    if (error instanceof Failure) throw error;
    // a payload of a shape that no rule foresaw: its sender is answered, and the next command gets its turn
    throw new Failure('invalid_request', `The payload of ${type} cannot be decided: ${String(error)}.`, {
      field: 'payload',
      fix: 'Send what the command line or the gateway would send.',
      cause: error,
    });
  }
}
