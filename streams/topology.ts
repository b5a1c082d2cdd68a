// The map of Millrace, in the data's order: who reads what, keeps what, writes what. Read it first.
import { CHANGELOG_TOPIC } from './state/forgotten-deletions.ts';
import { type Definition, type EndpointDefinition, type FeatureViewDefinition } from '../schemas/definitions.ts';
import { type TopicNames } from '../schemas/topics.ts';
import { type TopicSpec } from './log.ts';
import { INTERNAL_TOPIC } from './purge.ts';

export interface Stage {
  readonly name: string;
  readonly role: 'features' | 'scoring' | 'shadow' | 'lifecycle' | 'training' | 'monitoring' | 'analytics' | 'gateway';
  readonly reads: readonly string[];
  /** stores, each restored from its changelog or, where it is a fold of a topic, from that topic */
  readonly keeps: readonly string[];
  readonly writes: readonly string[];
}

export interface Declared {
  readonly views: readonly FeatureViewDefinition[];
  readonly endpoints: readonly EndpointDefinition[];
}

export function declared(definitions: readonly Definition[]): Declared {
  return {
    views: definitions.filter((definition) => definition.kind === 'feature_view'),
    endpoints: definitions.filter((definition) => definition.kind === 'endpoint'),
  };
}

/** Consumer groups and application ids; changelogs and repartition topics are named after them. */
export const applicationIds = {
  view: (view: string): string => `features.${view}`,
  scoring: (endpoint: string): string => `scoring.${endpoint}`,
  shadow: (endpoint: string): string => `shadow.${endpoint}`,
  join: (endpoint: string): string => `join.${endpoint}`,
} as const;

export function stages(names: TopicNames, { views, endpoints }: Declared): readonly Stage[] {
  return [
    ...views.flatMap((view) => viewStages(names, view)),
    ...endpoints.flatMap((endpoint) => endpointStages(names, endpoint)),
    {
      name: 'warehouse',
      role: 'analytics',
      reads: [
        ...new Set(views.map((view) => view.source.topic)),
        ...views.map((view) => names.features(view.name)),
        ...endpoints.flatMap(({ name }) => [
          names.requests(name),
          names.predictions(name),
          names.outcomes(name),
          names.results(name),
        ]),
        names.lifecycle,
        names.metrics,
        names.commands,
        names.statistics,
        names.watermarks,
        names.deadLetters,
      ],
      keeps: ['ClickHouse tables'],
      writes: [],
    },
    {
      name: 'evaluate',
      role: 'monitoring',
      reads: [names.lifecycle],
      keeps: [],
      writes: [names.statistics, names.commands],
    },
    {
      name: 'decide',
      role: 'lifecycle',
      reads: [names.commands, names.lifecycle],
      keeps: [],
      writes: [names.lifecycle, names.commands],
    },
    { name: 'train', role: 'training', reads: [names.lifecycle], keeps: [], writes: [names.commands] },
    {
      name: 'answer',
      role: 'gateway',
      reads: [
        names.lifecycle,
        names.metrics,
        names.statistics,
        names.watermarks,
        ...views.map((view) => names.features(view.name)),
      ],
      keeps: ['online store'],
      writes: [names.commands, names.metrics, ...endpoints.map(({ name }) => names.predictions(name))],
    },
  ];
}

function viewStages(names: TopicNames, view: FeatureViewDefinition): Stage[] {
  const application = applicationIds.view(view.name);
  return [
    {
      name: `route ${view.name}`,
      role: 'features',
      reads: [view.source.topic],
      keeps: [],
      writes: [names.repartition(application), names.deadLetters],
    },
    {
      name: `window ${view.name}`,
      role: 'features',
      reads: [names.repartition(application)],
      keeps: [names.changelog(application, 'windows')],
      writes: [names.features(view.name), names.watermarks, names.deadLetters],
    },
  ];
}

function endpointStages(names: TopicNames, endpoint: EndpointDefinition): Stage[] {
  const views = [...new Set(endpoint.inputs.map((input) => input.from).filter((from) => from !== 'request'))];
  const reads = [names.requests(endpoint.name), ...views.map((view) => names.features(view)), names.lifecycle];
  const writes = [names.predictions(endpoint.name), names.watermarks, names.deadLetters];
  return [
    { name: `score ${endpoint.name}`, role: 'scoring', reads, keeps: ['online store'], writes },
    { name: `shadow ${endpoint.name}`, role: 'shadow', reads, keeps: ['online store'], writes },
    {
      name: `join ${endpoint.name}`,
      role: 'monitoring',
      reads: [names.predictions(endpoint.name), names.outcomes(endpoint.name)],
      keeps: [names.changelog(applicationIds.join(endpoint.name), 'pending')],
      writes: [names.results(endpoint.name), names.watermarks, names.deadLetters],
    },
  ];
}

const DAY_MS = 86_400_000;
const FOR_EVER = { 'retention.ms': '-1' };

/** The control topics: there from the first start on. */
export function controlTopics(names: TopicNames): readonly TopicSpec[] {
  return [
    { name: names.commands, partitions: 1, config: { 'retention.ms': String(7 * DAY_MS) } },
    { name: names.lifecycle, partitions: 1, config: FOR_EVER },
    { name: names.metrics, partitions: 4, config: FOR_EVER },
    { name: names.statistics, partitions: 1, config: FOR_EVER },
    {
      name: names.deadLetters,
      partitions: 1,
      config: { 'retention.ms': String(30 * DAY_MS), 'max.message.bytes': '4194304' },
    },
    // only the newest marks of a writer count; small segments, so that the older ones are really cleaned away
    {
      name: names.watermarks,
      partitions: 1,
      config: { 'cleanup.policy': 'compact', 'segment.bytes': '8388608', 'retention.ms': '-1' },
    },
  ];
}

/**
 * The topics that definitions ask for. Upstream topics are the users': they are made only where they are missing.
 * @param partitions for topics that are made anew
 */
export function declaredTopics(
  names: TopicNames,
  { views, endpoints }: Declared,
  partitions: number,
): readonly TopicSpec[] {
  const data = (name: string): TopicSpec => ({ name, partitions, config: FOR_EVER });
  const changelog = (name: string): TopicSpec => ({ name, partitions, config: CHANGELOG_TOPIC });
  return [
    ...[...new Set(views.map((view) => view.source.topic))].map(data),
    ...views.flatMap((view) => {
      const application = applicationIds.view(view.name);
      return [
        { ...data(names.repartition(application)), config: INTERNAL_TOPIC },
        changelog(names.changelog(application, 'windows')),
        data(names.features(view.name)),
      ];
    }),
    ...endpoints.flatMap(({ name }) => [
      data(names.requests(name)),
      data(names.predictions(name)),
      data(names.outcomes(name)),
      data(names.results(name)),
      changelog(names.changelog(applicationIds.join(name), 'pending')),
    ]),
  ];
}
