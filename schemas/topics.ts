// The names of the log's topics (DESIGN §3). The prefix is configurable; the endpoint's and the upstream names are the users'.

export interface TopicNames {
  readonly commands: string;
  readonly lifecycle: string;
  readonly metrics: string;
  readonly statistics: string;
  readonly deadLetters: string;
  readonly watermarks: string;
  features(view: string): string;
  /** Internal: the source events of a view, moved to the partition of their entity key. */
  repartition(application: string): string;
  changelog(application: string, store: string): string;
  requests(endpoint: string): string;
  predictions(endpoint: string): string;
  outcomes(endpoint: string): string;
  results(endpoint: string): string;
}

/** @param prefix with its trailing dot, `millrace.` unless configured otherwise */
export function topicNames(prefix: string): TopicNames {
  return {
    commands: `${prefix}commands`,
    lifecycle: `${prefix}lifecycle`,
    metrics: `${prefix}metrics`,
    statistics: `${prefix}statistics`,
    deadLetters: `${prefix}dead-letters`,
    watermarks: `${prefix}watermarks`,
    features: (view) => `${prefix}features.${view}`,
    repartition: (application) => `${prefix}repartition.${application}`,
    changelog: (application, store) => `${prefix}changelog.${application}.${store}`,
    requests: (endpoint) => `${endpoint}.requests`,
    predictions: (endpoint) => `${endpoint}.predictions`,
    outcomes: (endpoint) => `${endpoint}.outcomes`,
    results: (endpoint) => `${endpoint}.results`,
  };
}
