// The loop's arrows with their flow: what the log says about its topics and groups, put where a person looks for it.
import { type TopicNames } from '../../schemas/topics.ts';
import { type Declared, applicationIds } from '../../streams/topology.ts';
import { type LoopCounts } from './fold.ts';

/**
 * records: written but not yet committed as read by the next stage; event-time: how far, in ms of event time, the next stage stands
 * behind; open: asked for and not answered yet; null: not measured
 */
export type Lag = { readonly unit: 'records' | 'event-time' | 'open'; readonly value: number } | null;

export interface Arrow {
  readonly from: string;
  readonly to: string;
  /** what travels */
  readonly what: string;
  readonly perSecond: number | null;
  readonly total: number;
  readonly lag: Lag;
}

/** What was measured of the log; null where nothing is known yet. */
export interface LogMeasures {
  perSecond(topics: readonly string[]): number | null;
  total(topics: readonly string[]): number;
  /** records of these topics that the group has not committed */
  behind(group: string, topics: readonly string[]): number | null;
  /** event time up to which a lane of these topics is done */
  doneToMs(topics: readonly string[], lane: number): number | null;
}

/** Of what is counted in the fold, not in a topic. */
export interface CountedFlow {
  readonly counts: LoopCounts;
  /** event time up to which the windows of an endpoint are decided */
  decidedMs(endpoint: string): number | null;
  perSecond(what: keyof LoopCounts): number | null;
}

const LIVE_LANE = 0;

export function loopArrows(
  names: TopicNames,
  declared: Declared,
  log: LogMeasures,
  counted: CountedFlow,
): readonly Arrow[] {
  return [...dataArrows(names, declared, log, counted), ...lifecycleArrows(counted)];
}

function dataArrows(
  names: TopicNames,
  { views, endpoints }: Declared,
  log: LogMeasures,
  counted: CountedFlow,
): Arrow[] {
  const sources = [...new Set(views.map((view) => view.source.topic))];
  const features = views.map((view) => names.features(view.name));
  const of = (topic: (endpoint: string) => string): string[] => endpoints.map(({ name }) => topic(name));
  const [requests, predictions, outcomes, results] = [
    of(names.requests),
    of(names.predictions),
    of(names.outcomes),
    of(names.results),
  ];
  const flow = (from: string, to: string, what: string, topics: readonly string[], lag: Lag): Arrow => ({
    from,
    to,
    what,
    perSecond: log.perSecond(topics),
    total: log.total(topics),
    lag,
  });
  const featuresLag = summed(
    views.map((view) =>
      log.behind(applicationIds.view(view.name), [
        view.source.topic,
        names.repartition(applicationIds.view(view.name)),
      ]),
    ),
  );
  const scoringLag = summed(
    endpoints.map(({ name }) => log.behind(applicationIds.scoring(name), [names.requests(name)])),
  );
  const joinLag = (topic: (endpoint: string) => string): Lag =>
    summed(endpoints.map(({ name }) => log.behind(applicationIds.join(name), [topic(name)])));
  const doneTo = (topic: string): number | null => log.doneToMs([topic], LIVE_LANE);
  const featuresTo = log.doneToMs(features, LIVE_LANE);
  const lagOf = (span: (endpoint: string) => number | null): Lag => slowest(endpoints.map(({ name }) => span(name)));
  return [
    flow('upstream', 'features', 'source events', sources, featuresLag),
    flow(
      'features',
      'online-store',
      'feature rows',
      features,
      lagOf((name) => apart(featuresTo, doneTo(names.predictions(name)))),
    ),
    flow('upstream', 'scoring', 'requests', requests, scoringLag),
    flow('scoring', 'predictions', 'predictions', predictions, joinLag(names.predictions)),
    flow('upstream', 'results', 'outcomes', outcomes, joinLag(names.outcomes)),
    flow(
      'predictions',
      'results',
      'results',
      results,
      lagOf((name) => apart(doneTo(names.predictions(name)), doneTo(names.results(name)))),
    ),
    flow(
      'results',
      'statistics',
      'statistics',
      [names.statistics],
      lagOf((name) => apart(doneTo(names.results(name)), counted.decidedMs(name))),
    ),
  ];
}

function lifecycleArrows({ counts, perSecond }: CountedFlow): Arrow[] {
  const flow = (from: string, to: string, what: string, counted: keyof LoopCounts, open: number | null): Arrow => ({
    from,
    to,
    what,
    perSecond: perSecond(counted),
    total: counts[counted],
    lag: open === null ? null : { unit: 'open', value: Math.max(0, open) },
  });
  return [
    // whether an alert leads to a retraining is the policy's to say (cooldown): there is nothing to wait for
    flow('statistics', 'alerts', 'alerts', 'alerts', null),
    flow('alerts', 'retraining', 'retrainings', 'retrainings', counts.retrainings - counts.trainings),
    flow('retraining', 'training', 'trainings', 'trainings', counts.trainings - counts.trainingsEnded),
    flow('training', 'versions', 'versions', 'versions', counts.versions - counts.versionsJudged),
    flow('versions', 'rollout', 'judgements', 'versionsJudged', null),
    flow('rollout', 'scoring', 'routings', 'routings', null),
  ];
}

function summed(parts: readonly (number | null)[]): Lag {
  const known = parts.filter((part) => part !== null);
  return known.length === 0 ? null : { unit: 'records', value: known.reduce((sum, part) => sum + part, 0) };
}

/** An endpoint that has not begun yet is no reason to say nothing of the others. */
function slowest(spansMs: readonly (number | null)[]): Lag {
  const known = spansMs.filter((spanMs) => spanMs !== null);
  return known.length === 0 ? null : { unit: 'event-time', value: Math.max(...known) };
}

function apart(aheadMs: number | null, behindMs: number | null): number | null {
  return aheadMs === null || behindMs === null ? null : Math.max(0, aheadMs - behindMs);
}
