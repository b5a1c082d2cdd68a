// The loop's own arrows with numbers of the test's choice.
import { topicNames } from '../../../schemas/topics.ts';
import { type Arrow, type Lag, loopArrows } from '../../../serving/console/loop.ts';

const quiet: readonly Arrow[] = loopArrows(
  topicNames('millrace.'),
  { views: [], endpoints: [] },
  { perSecond: () => null, total: () => 0, behind: () => null, doneToMs: () => null },
  {
    counts: { alerts: 0, retrainings: 0, trainings: 0, trainingsEnded: 0, versions: 0, versionsJudged: 0, routings: 0 },
    decidedMs: () => null,
    perSecond: () => 0,
  },
);

/** A platform that has just started: nothing is defined, nothing measured. */
export const quietArrows = quiet;

/** As wide as the words get: the year at full speed, with a backlog. */
export const busyArrows: readonly Arrow[] = quiet.map((arrow, index) => {
  if (arrow.lag?.unit === 'open') return { ...arrow, perSecond: 0.05, total: 128, lag: { unit: 'open', value: 12 } };
  if (arrow.what === 'alerts' || arrow.what === 'judgements' || arrow.what === 'routings')
    return { ...arrow, total: 128 };
  const lag: Lag =
    index % 2 === 0 ? { unit: 'records', value: 123_456 + index } : { unit: 'event-time', value: 8.5 * 86_400_000 };
  return { ...arrow, perSecond: 12_345 + index, total: 9_876_543, lag };
});
