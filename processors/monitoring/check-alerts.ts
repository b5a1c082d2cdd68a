// An alert must speak of a statistic that its monitor will compute: else it would wait for ever, in silence.
import { type AlertRule, type EndpointDefinition, type MonitorDefinition } from '../../schemas/definitions.ts';
import { didYouMean, invalid } from '../../schemas/reading.ts';
import { DRIFT_STATISTICS } from './drift/catalogue.ts';
import { MEASURES } from './measures/catalogue.ts';

/** What drift can be measured of, and as what. */
function subjectsOf(endpoint: EndpointDefinition): ReadonlyMap<string, 'number' | 'category'> {
  return new Map([
    ...endpoint.inputs.map(({ name, kind }) => [name, kind] as const),
    ['score', 'number'] as const,
    ['label', 'category'] as const,
  ]);
}

/** @throws Failure `invalid_definition` */
export function checkAlerts(monitor: MonitorDefinition, endpoint: EndpointDefinition): void {
  for (const [index, rule] of monitor.alerts.entries())
    checkRule(`monitor ${monitor.name}: alerts[${index}]`, rule, subjectsOf(endpoint));
}

function checkRule(path: string, rule: AlertRule, subjects: ReadonlyMap<string, 'number' | 'category'>): void {
  const { statistic, subject } = rule;
  const measure = MEASURES.find(({ name }) => name === statistic);
  if (measure !== undefined) {
    if (subject !== measure.subject)
      throw invalid(
        `${path}.subject`,
        `${statistic} is ${measure.subject === '' ? 'of the model as a whole' : `of the ${measure.subject}`}, not of ${subject === '' ? 'nothing' : subject}.`,
        measure.subject === '' ? 'Leave the subject away.' : `Write \`subject: ${measure.subject}\`.`,
      );
    return;
  }
  const drift = DRIFT_STATISTICS.find(({ name }) => name === statistic);
  if (drift === undefined)
    throw invalid(
      `${path}.statistic`,
      `there is no statistic ${statistic}.`,
      didYouMean(
        statistic,
        [...MEASURES, ...DRIFT_STATISTICS].map(({ name }) => name),
      ),
    );
  const kind = subjects.get(subject);
  if (kind === undefined)
    throw invalid(
      `${path}.subject`,
      subject === '' ? `is missing: ${statistic} is of one subject.` : `there is no subject ${subject}.`,
      didYouMean(subject, [...subjects.keys()]),
    );
  if (!drift.kinds.includes(kind))
    throw invalid(
      `${path}.statistic`,
      `${statistic} compares ${drift.kinds.join(', ')} subjects, and ${subject} is a ${kind}.`,
      `Use one of: ${DRIFT_STATISTICS.filter(({ kinds }) => kinds.includes(kind))
        .map(({ name }) => name)
        .join(', ')}.`,
    );
}
