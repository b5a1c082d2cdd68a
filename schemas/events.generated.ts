// Generated from schemas/avro by `npm run generate`. Do not edit.

export interface GateResult {
  readonly name: string;
  readonly passed: boolean;
  readonly value: null | number;
  readonly threshold: null | number;
  readonly reason: string;
}

export interface RoutingArm {
  /** champion | challenger | reference */
  readonly arm: string;
  readonly model: string;
  readonly version: number;
  /** live | shadow */
  readonly purpose: string;
  /** of live requests; 1 for shadow */
  readonly share: number;
}

export interface RowReference {
  readonly view: string;
  readonly entity_key: string;
  readonly event_time: null | number;
  readonly definition_hash: string;
  readonly source_partition: null | number;
  readonly source_offset: null | number;
}

export interface Watermark {
  readonly topic: string;
  readonly partition: number;
  readonly lane: number;
  readonly event_time: number;
  readonly offset: number;
  /** true: from here on records are taken as they arrive */
  readonly live: boolean;
}

export interface AlertRaised {
  readonly alert_id: string;
  readonly monitor: string;
  readonly endpoint: string;
  readonly event_time: number;
  readonly statistic_id: string;
  readonly name: string;
  readonly subject: string;
  readonly value: number;
  readonly threshold: number;
  readonly reason: string;
}

export interface AliasSet {
  readonly model: string;
  readonly alias: string;
  /** 0: the alias is removed */
  readonly version: number;
}

/** What somebody asked for. */
export interface Command {
  /** idempotency key */
  readonly command_id: string;
  readonly type: string;
  readonly workspace: string;
  /** wall clock at the edge */
  readonly issued_at: number;
  readonly issued_by: string;
  /** JSON, its shape given by type */
  readonly payload: string;
}

/** The answer to a command, written with its events in one transaction. */
export interface CommandReply {
  readonly command_id: string;
  readonly type: string;
  readonly accepted: boolean;
  /** '' when accepted */
  readonly code: string;
  readonly field: string;
  /** what is wrong and how to mend it */
  readonly message: string;
  /** JSON */
  readonly result: string;
}

/** No decision with effect at or before `until` is still to come: requests up to it may be scored. */
export interface ControlAdvanced {
  readonly endpoint: string;
  readonly until: number;
  readonly reason: string;
}

/** Control was asked to advance while a training is pending: it will advance to `until` once the training has ended. */
export interface ControlHeld {
  readonly endpoint: string;
  readonly until: number;
  readonly reason: string;
}

/** A record that could not be decoded, processed or produced, whole. */
export interface DeadLetter {
  readonly source_topic: string;
  readonly source_partition: number;
  readonly source_offset: number;
  readonly source_timestamp: number;
  readonly key: null | Buffer;
  readonly value: null | Buffer;
  readonly headers: Readonly<Record<string, Buffer>>;
  /** decode | process | produce */
  readonly stage: string;
  /** closed list of failure codes */
  readonly code: string;
  /** '' where no single field is at fault */
  readonly field: string;
  /** what is wrong and how to mend it */
  readonly reason: string;
  readonly processor: string;
}

/** A dead letter was put back into its topic. */
export interface DeadLetterReturned {
  /** offset of the letter in the topic of dead letters */
  readonly letter_offset: number;
  readonly source_topic: string;
  readonly source_partition: number;
  readonly returned_by: string;
  /** wall clock at the edge, epoch ms */
  readonly returned_at: number;
}

/** A definition took effect. */
export interface DefinitionApplied {
  /** entity | feature_view | endpoint | monitor | rollout_policy | retraining_policy */
  readonly kind: string;
  readonly name: string;
  /** SHA-256 of the canonical spec, hex */
  readonly hash: string;
  /** canonical JSON */
  readonly spec: string;
}

export interface ExperimentCreated {
  readonly experiment_id: string;
  readonly name: string;
  readonly artifact_location: string;
  readonly created_at: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface GatesChecked {
  readonly model: string;
  readonly version: number;
  readonly passed: boolean;
  readonly gates: readonly GateResult[];
}

export interface ModelRegistered {
  readonly model: string;
  readonly created_at: number;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ModelVersionCreated {
  readonly model: string;
  readonly version: number;
  readonly source: string;
  readonly run_id: string;
  readonly created_at: number;
  readonly description: string;
  /** SHA-256 of the ONNX file, hex; '' where the source is no ONNX model */
  readonly weights_sha256: string;
  readonly weights_uri: string;
  /** JSON: [{name, kind: number|category, categories?}] in the model's order */
  readonly inputs: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly training_set_id: string;
  readonly training_id: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** One answer of one model version to one request, with its receipt. The value holds only what is the same in every run; wall-clock timings and log offsets of the feature rows travel in headers. */
export interface Prediction {
  /** <request_id>:<model>:<version>:<purpose> */
  readonly prediction_id: string;
  /** key of the request */
  readonly request_id: string;
  /** endpoint name */
  readonly endpoint: string;
  /** event time of the request */
  readonly event_time: number;
  /** live | shadow | backtest */
  readonly purpose: string;
  /** champion | challenger | reference */
  readonly arm: string;
  /** registered model */
  readonly model: string;
  /** model version */
  readonly version: number;
  /** SHA-256 of the ONNX file, hex */
  readonly weights_sha256: string;
  /** probability of the positive class, 0..1 */
  readonly score: number;
  /** values in the order of the version's inputs, categories as their index, null where unknown */
  readonly features: readonly (null | number)[];
  /** feature rows that were read, in the endpoint's view order; event_time null where there was no row */
  readonly rows: readonly RowReference[];
}

export interface Promoted {
  readonly endpoint: string;
  readonly model: string;
  readonly version: number;
  /** 0: none */
  readonly previous_version: number;
  readonly effective_from: null | number;
  readonly reason: string;
  readonly rollout_id: string;
}

/** A prediction joined with its outcome. */
export interface Result {
  readonly prediction_id: string;
  readonly request_id: string;
  readonly endpoint: string;
  /** when the outcome was known */
  readonly event_time: number;
  /** event time of the request */
  readonly prediction_time: number;
  /** 1 or 0 */
  readonly label: number;
  readonly score: number;
  readonly purpose: string;
  readonly arm: string;
  readonly model: string;
  readonly version: number;
}

export interface RetrainingRequested {
  readonly retraining_id: string;
  readonly endpoint: string;
  readonly policy: string;
  /** '' where asked for by a person or for the first model */
  readonly alert_id: string;
  readonly event_time: null | number;
  readonly reason: string;
}

export interface RolledBack {
  readonly endpoint: string;
  readonly model: string;
  readonly from_version: number;
  readonly to_version: number;
  readonly effective_from: null | number;
  readonly requested_by: string;
  readonly reason: string;
}

export interface RolloutAdvanced {
  readonly rollout_id: string;
  readonly endpoint: string;
  readonly model: string;
  readonly challenger: number;
  /** shadow | canary | full | refused | rolled_back */
  readonly stage: string;
  /** share of live requests that the challenger answers, 0..1 */
  readonly share: number;
  readonly effective_from: null | number;
  readonly reason: string;
}

export interface RolloutStarted {
  readonly rollout_id: string;
  readonly endpoint: string;
  readonly model: string;
  /** 0: there is none yet */
  readonly champion: number;
  readonly challenger: number;
  readonly policy: string;
  readonly effective_from: null | number;
  readonly reason: string;
}

/** Which versions answer from effective_from on; replaces what was before. */
export interface RoutingChanged {
  readonly endpoint: string;
  /** event time; null: at once */
  readonly effective_from: null | number;
  readonly rollout_id: string;
  readonly arms: readonly RoutingArm[];
  readonly reason: string;
}

export interface RunEnded {
  readonly run_id: string;
  /** FINISHED | FAILED | KILLED */
  readonly status: string;
  readonly ended_at: number;
}

export interface RunMetric {
  readonly run_id: string;
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

export interface RunParameter {
  readonly run_id: string;
  readonly key: string;
  readonly value: string;
}

export interface RunStarted {
  readonly run_id: string;
  readonly experiment_id: string;
  readonly run_name: string;
  readonly user_id: string;
  readonly started_at: number;
  readonly artifact_uri: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface RunTag {
  readonly run_id: string;
  readonly key: string;
  readonly value: string;
}

/** One drift or performance statistic of one window. */
export interface Statistic {
  /** <monitor>:<window_end>:<name>:<subject>:<version> */
  readonly statistic_id: string;
  readonly monitor: string;
  readonly endpoint: string;
  /** inclusive */
  readonly window_start: number;
  /** exclusive */
  readonly window_end: number;
  /** when the window was decided */
  readonly event_time: number;
  /** auc | log_loss | brier | ece | label_rate | score_mean | psi | ks | js | ... */
  readonly name: string;
  /** '' for performance, a feature's name, 'score' or 'label' */
  readonly subject: string;
  readonly model: string;
  /** 0 where it does not depend on a version */
  readonly version: number;
  /** null where undefined, e.g. AUC of one class */
  readonly value: null | number;
  /** 95 % interval, lower */
  readonly low: null | number;
  /** 95 % interval, upper */
  readonly high: null | number;
  /** rows in the window */
  readonly rows: number;
  /** limit above which it counts as drift */
  readonly threshold: null | number;
  /** ok | drift | undecidable */
  readonly verdict: string;
  /** the verdict in words */
  readonly reason: string;
}

export interface TrainingCompleted {
  readonly training_id: string;
  readonly run_id: string;
  readonly model: string;
  readonly version: number;
}

export interface TrainingFailed {
  readonly training_id: string;
  readonly run_id: string;
  readonly reason: string;
}

/** A trainer is to make a model. */
export interface TrainingRequested {
  readonly training_id: string;
  readonly endpoint: string;
  readonly model: string;
  readonly trainer: string;
  /** inclusive */
  readonly train_from: number;
  /** exclusive */
  readonly train_to: number;
  /** nothing that became known later may be used */
  readonly cutoff: number;
  /** event time at which the version may be used; null: at once */
  readonly effective_from: null | number;
  readonly retraining_id: string;
  readonly reason: string;
}

export interface TrainingSetBuilt {
  /** SHA-256 of its bytes, hex */
  readonly training_set_id: string;
  readonly training_id: string;
  readonly endpoint: string;
  readonly rows: number;
  readonly positives: number;
  readonly train_from: number;
  readonly train_to: number;
  readonly cutoff: number;
  readonly location: string;
  /** JSON: columns, categories, view hashes, topic positions */
  readonly manifest: string;
}

export interface TrainingStarted {
  readonly training_id: string;
  readonly run_id: string;
  readonly executor: string;
}

export interface VerdictReached {
  readonly rollout_id: string;
  readonly endpoint: string;
  readonly event_time: null | number;
  /** pass | fail | wait | undecidable */
  readonly verdict: string;
  readonly metric: string;
  readonly rows: number;
  readonly champion_value: null | number;
  readonly challenger_value: null | number;
  readonly difference: null | number;
  readonly low: null | number;
  readonly high: null | number;
  readonly reason: string;
}

export interface VersionApproved {
  readonly model: string;
  readonly version: number;
  readonly approved_by: string;
  readonly reason: string;
}

export interface VersionRejected {
  readonly model: string;
  readonly version: number;
  readonly rejected_by: string;
  readonly reason: string;
}

/** Progress in event time: every record of (topic, partition, lane) with event time at or before event_time has an offset below `offset`. */
export interface Watermarks {
  /** who says so */
  readonly writer: string;
  readonly marks: readonly Watermark[];
}

export interface EventTypes {
  readonly AlertRaised: AlertRaised;
  readonly AliasSet: AliasSet;
  readonly Command: Command;
  readonly CommandReply: CommandReply;
  readonly ControlAdvanced: ControlAdvanced;
  readonly ControlHeld: ControlHeld;
  readonly DeadLetter: DeadLetter;
  readonly DeadLetterReturned: DeadLetterReturned;
  readonly DefinitionApplied: DefinitionApplied;
  readonly ExperimentCreated: ExperimentCreated;
  readonly GatesChecked: GatesChecked;
  readonly ModelRegistered: ModelRegistered;
  readonly ModelVersionCreated: ModelVersionCreated;
  readonly Prediction: Prediction;
  readonly Promoted: Promoted;
  readonly Result: Result;
  readonly RetrainingRequested: RetrainingRequested;
  readonly RolledBack: RolledBack;
  readonly RolloutAdvanced: RolloutAdvanced;
  readonly RolloutStarted: RolloutStarted;
  readonly RoutingChanged: RoutingChanged;
  readonly RunEnded: RunEnded;
  readonly RunMetric: RunMetric;
  readonly RunParameter: RunParameter;
  readonly RunStarted: RunStarted;
  readonly RunTag: RunTag;
  readonly Statistic: Statistic;
  readonly TrainingCompleted: TrainingCompleted;
  readonly TrainingFailed: TrainingFailed;
  readonly TrainingRequested: TrainingRequested;
  readonly TrainingSetBuilt: TrainingSetBuilt;
  readonly TrainingStarted: TrainingStarted;
  readonly VerdictReached: VerdictReached;
  readonly VersionApproved: VersionApproved;
  readonly VersionRejected: VersionRejected;
  readonly Watermarks: Watermarks;
}

export const EVENT_NAMES = [
  'AlertRaised',
  'AliasSet',
  'Command',
  'CommandReply',
  'ControlAdvanced',
  'ControlHeld',
  'DeadLetter',
  'DeadLetterReturned',
  'DefinitionApplied',
  'ExperimentCreated',
  'GatesChecked',
  'ModelRegistered',
  'ModelVersionCreated',
  'Prediction',
  'Promoted',
  'Result',
  'RetrainingRequested',
  'RolledBack',
  'RolloutAdvanced',
  'RolloutStarted',
  'RoutingChanged',
  'RunEnded',
  'RunMetric',
  'RunParameter',
  'RunStarted',
  'RunTag',
  'Statistic',
  'TrainingCompleted',
  'TrainingFailed',
  'TrainingRequested',
  'TrainingSetBuilt',
  'TrainingStarted',
  'VerdictReached',
  'VersionApproved',
  'VersionRejected',
  'Watermarks',
] as const;

export type EventName = (typeof EVENT_NAMES)[number];
