// The lifecycle's events in words, for somebody who watches the demo.
import { type Event } from '../../schemas/codec.ts';

function day(timeMs: number | null): string {
  return timeMs === null ? 'now' : new Date(timeMs).toISOString().slice(0, 10);
}

function rounded(value: number | null): string {
  return value === null ? 'unknown' : value.toFixed(4);
}

/** A sentence, or null for what is no news. */
export function narrate(event: Event): string | null {
  switch (event.name) {
    case 'TrainingRequested':
      return `training requested on ${day(event.value.train_from)} to ${day(event.value.train_to)}: ${event.value.reason}`;
    case 'TrainingSetBuilt':
      return `training set built: ${event.value.rows} rows, ${event.value.positives} positive, by what was known at ${day(event.value.cutoff)}`;
    case 'TrainingStarted':
      return `training runs (LightGBM in Python, logging through the mlflow client)`;
    case 'TrainingFailed':
      return `training FAILED: ${event.value.reason}`;
    case 'ModelVersionCreated':
      return `${event.value.model} version ${event.value.version} registered, weights ${event.value.weights_sha256.slice(0, 12)}…`;
    case 'GatesChecked':
      return `gates ${event.value.passed ? 'passed' : 'NOT passed'}: ${event.value.gates.map((gate) => gate.reason).join('; ')}`;
    case 'AlertRaised':
      return `ALERT on ${day(event.value.event_time)}: ${event.value.reason}`;
    case 'RetrainingRequested':
      return `retraining requested by ${event.value.policy}: ${event.value.reason}`;
    case 'RolloutStarted':
      return `version ${event.value.challenger} challenges version ${event.value.champion}, in shadow from ${day(event.value.effective_from)}`;
    case 'VerdictReached':
      return `verdict ${event.value.verdict} on ${event.value.rows} equal rows: ${event.value.metric} ${rounded(event.value.challenger_value)} against ${rounded(event.value.champion_value)}. ${event.value.reason}`;
    case 'RolloutAdvanced':
      // that it starts in shadow is told with its start
      if (event.value.stage === 'shadow') return null;
      return `rollout goes to ${event.value.stage} (${Math.round(event.value.share * 100)} %) from ${day(event.value.effective_from)}`;
    case 'Promoted':
      return `version ${event.value.version} is champion from ${day(event.value.effective_from)}: ${event.value.reason}`;
    case 'RolledBack':
      return `rolled back from version ${event.value.from_version} to ${event.value.to_version}: ${event.value.reason}`;
    default:
      return null;
  }
}
