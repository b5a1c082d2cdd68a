// What users declare in files: the shapes after parsing and validation. Durations are in milliseconds, instants in epoch ms.

export interface EntityDefinition {
  readonly kind: 'entity';
  readonly name: string;
  /** type of the key as it stands in events: string keys are taken as they are, integers in decimal */
  readonly key_type: 'string' | 'integer';
  readonly description: string;
}

export type WindowFunction = 'count' | 'sum' | 'mean' | 'min' | 'max' | 'last';

export interface FeatureDefinition {
  readonly name: string;
  readonly function: WindowFunction;
  /** numeric field of the source event; '' for count */
  readonly field: string;
  /** window (t − size, t] */
  readonly window_ms: number;
}

export interface FeatureViewDefinition {
  readonly kind: 'feature_view';
  readonly name: string;
  readonly entity: string;
  readonly source: {
    readonly topic: string;
    /** field of the source event that holds the entity key */
    readonly key_field: string;
    /** field that holds the event time (epoch ms) */
    readonly event_time_field: string;
  };
  /** how far behind the watermark an event may still correct the state */
  readonly lateness_ms: number;
  /** 0: exact (DESIGN §3.2) */
  readonly step_ms: number;
  /** emit: a row also when an event leaves a window; none: on arrival only */
  readonly expiry: 'emit' | 'none';
  readonly features: readonly FeatureDefinition[];
  readonly description: string;
}

export interface InputDefinition {
  /** name of the model's input; equal to the request field's or the feature's name */
  readonly name: string;
  /** 'request', or the name of a feature view */
  readonly from: string;
  readonly kind: 'number' | 'category';
}

export interface EndpointDefinition {
  readonly kind: 'endpoint';
  readonly name: string;
  readonly model: string;
  readonly request: { readonly key_field: string; readonly event_time_field: string };
  /** entity name → request field with its key */
  readonly entities: Readonly<Record<string, string>>;
  /** in the model's order */
  readonly inputs: readonly InputDefinition[];
  readonly outcome: {
    readonly key_field: string;
    readonly event_time_field: string;
    readonly label_field: string;
    /** an outcome later than this after its request is not waited for by statistics */
    readonly horizon_ms: number;
  };
  /** requests before this event time are passed over; null: from the first on */
  readonly serve_from: number | null;
  readonly delivery: 'exactly-once' | 'at-least-once';
  readonly description: string;
}

export interface AlertRule {
  /** name in the catalogue of statistics */
  readonly statistic: string;
  /** '' for performance, a feature's name, 'score' or 'label' */
  readonly subject: string;
  readonly direction: 'above' | 'below';
  readonly threshold: number;
  /** windows in a row that must break the threshold */
  readonly consecutive: number;
}

export interface MonitorDefinition {
  readonly kind: 'monitor';
  readonly name: string;
  readonly endpoint: string;
  readonly window_ms: number;
  /** start of the first window; the following ones are contiguous */
  readonly first_window_start: number;
  /** a window is decided this long after its end, when its outcomes are known */
  readonly maturity_ms: number;
  /** drift is measured against live predictions of this range */
  readonly reference: { readonly from: number; readonly to: number };
  readonly alerts: readonly AlertRule[];
  readonly description: string;
}

export interface RetrainingPolicyDefinition {
  readonly kind: 'retraining_policy';
  readonly name: string;
  readonly endpoint: string;
  readonly trainer: string;
  /** the first model: trained on [from, to), asked for as soon as `to` is reached in event time; null: by hand */
  readonly initial: { readonly train_from: number; readonly train_to: number } | null;
  /** a retraining uses this much history before the alert */
  readonly history_ms: number;
  /** no second retraining within this event time after one was requested */
  readonly cooldown_ms: number;
  readonly description: string;
}

export interface GateDefinition {
  /** a metric that the run logged */
  readonly metric: string;
  readonly at_least: number | null;
  readonly at_most: number | null;
}

export interface RolloutPolicyDefinition {
  readonly kind: 'rollout_policy';
  readonly name: string;
  readonly endpoint: string;
  readonly gates: readonly GateDefinition[];
  /** decisions take effect this long in event time after the window that led to them was decided */
  readonly decision_lag_ms: number;
  /** rows scored by both before a verdict is given */
  readonly min_rows: number;
  readonly metric: 'auc' | 'log_loss';
  /** a challenger passes when the whole 95 % interval of its gain lies above −tolerance and its gain is positive */
  readonly tolerance: number;
  /** share of live requests during the canary step */
  readonly canary_share: number;
  readonly auto_approve: boolean;
  readonly description: string;
}

export type Definition =
  | EntityDefinition
  | FeatureViewDefinition
  | EndpointDefinition
  | MonitorDefinition
  | RetrainingPolicyDefinition
  | RolloutPolicyDefinition;
