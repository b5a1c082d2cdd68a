// The lifecycle in words, one line per event that a person may want to look back at.
import { type Event } from '../../schemas/codec.ts';
import { type LogRecord } from '../../streams/log.ts';

/** good: something went ahead; bad: something asks for attention; plain: a step on the way */
export type Tone = 'good' | 'bad' | 'plain';

export interface TimelineEntry {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** the event's type in the log */
  readonly event: string;
  readonly tone: Tone;
  readonly title: string;
  readonly detail: string;
  /** event time at which it was decided or takes effect; null where it has none */
  readonly eventTimeMs: number | null;
  /** wall clock of the record */
  readonly writtenMs: number;
}

type Told = Pick<TimelineEntry, 'tone' | 'title' | 'detail' | 'eventTimeMs'>;

const told = (tone: Tone, title: string, detail: string, eventTimeMs: number | null = null): Told => ({
  tone,
  title,
  detail,
  eventTimeMs,
});

const day = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, 10);

/** The line of an event, or null for what is only housekeeping: the clock of decisions, aliases, experiments. */
export function timelineEntry(event: Event, record: LogRecord): TimelineEntry | null {
  const line = modelLine(event) ?? rolloutLine(event);
  if (line === null) return null;
  const { topic, partition, offset, timestampMs } = record;
  return { topic, partition, offset, event: event.name, ...line, writtenMs: timestampMs };
}

function modelLine(event: Event): Told | null {
  switch (event.name) {
    case 'DefinitionApplied':
      return told(
        'plain',
        `${capitalised(event.value.kind.replaceAll('_', ' '))} ${event.value.name} applied`,
        `Definition ${event.value.hash.slice(0, 12)}…`,
      );
    case 'AlertRaised':
      return told(
        'bad',
        `Alert: ${event.value.name} of ${event.value.subject === '' ? 'the model' : event.value.subject}`,
        event.value.reason,
        event.value.event_time,
      );
    case 'RetrainingRequested':
      return told(
        'plain',
        `Retraining of ${event.value.endpoint} requested`,
        event.value.reason,
        event.value.event_time,
      );
    case 'TrainingRequested': {
      const { model, trainer, train_from, train_to, cutoff } = event.value;
      return told(
        'plain',
        `Training of ${model} with ${trainer} requested`,
        `On ${day(train_from)} to ${day(train_to)}, with what was known at ${day(cutoff)}.`,
        cutoff,
      );
    }
    case 'TrainingStarted':
      return told('plain', 'Training started', `Training ${event.value.training_id}, by ${event.value.executor}.`);
    case 'TrainingSetBuilt':
      return told(
        'plain',
        'Training set built',
        `${event.value.rows} rows, ${event.value.positives} positive.`,
        event.value.cutoff,
      );
    case 'TrainingCompleted':
      return told(
        'good',
        `Training completed: version ${event.value.version} of ${event.value.model}`,
        `Run ${event.value.run_id}.`,
      );
    case 'TrainingFailed':
      return told('bad', 'Training failed', event.value.reason);
    case 'ModelVersionCreated':
      return told(
        'good',
        `Version ${event.value.version} of ${event.value.model} registered`,
        event.value.weights_sha256 === ''
          ? 'It has no ONNX weights.'
          : `Weights ${event.value.weights_sha256.slice(0, 12)}…`,
      );
    default:
      return null;
  }
}

function rolloutLine(event: Event): Told | null {
  switch (event.name) {
    case 'GatesChecked': {
      const { version, passed, gates } = event.value;
      return told(
        passed ? 'good' : 'bad',
        `Version ${version} ${passed ? 'passed' : 'did not pass'} the gates`,
        gates.map(({ reason }) => reason).join('; '),
      );
    }
    case 'VersionApproved':
      return told(
        'good',
        `Version ${event.value.version} approved`,
        `${event.value.reason} (by ${event.value.approved_by})`,
      );
    case 'VersionRejected':
      return told(
        'bad',
        `Version ${event.value.version} rejected`,
        `${event.value.reason} (by ${event.value.rejected_by})`,
      );
    case 'RolloutStarted':
      return told(
        'plain',
        `Version ${event.value.challenger} challenges ${event.value.champion === 0 ? 'nobody yet' : `version ${event.value.champion}`}`,
        event.value.reason,
        event.value.effective_from,
      );
    case 'RolloutAdvanced': {
      const { stage, challenger, share, reason, effective_from } = event.value;
      const ended = stage === 'refused' || stage === 'rolled_back';
      return told(
        ended ? 'bad' : 'plain',
        `Rollout of version ${challenger}: ${stage.replaceAll('_', ' ')}, ${Math.round(share * 100)} % of requests`,
        reason,
        effective_from,
      );
    }
    case 'VerdictReached': {
      const { verdict, metric, rows, reason, event_time } = event.value;
      return told(
        verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : 'plain',
        `Verdict on ${metric}: ${verdict}, ${rows} rows`,
        reason,
        event_time,
      );
    }
    case 'Promoted':
      return told(
        'good',
        `Version ${event.value.version} promoted to champion of ${event.value.endpoint}`,
        event.value.reason,
        event.value.effective_from,
      );
    case 'RolledBack':
      return told(
        'bad',
        `${event.value.endpoint} rolled back from version ${event.value.from_version} to ${event.value.to_version}`,
        event.value.reason,
        event.value.effective_from,
      );
    default:
      return null;
  }
}

function capitalised(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
