// When a threshold, broken in several windows in a row, becomes an alert: once, until it has recovered.
import { type AlertRule } from '../../schemas/definitions.ts';
import { type AlertRaised, type Statistic } from '../../schemas/events.generated.ts';
import { inWords } from './format.ts';

export interface AlertState {
  /** windows in a row that broke the threshold */
  readonly broken: number;
  /** an alert was raised and its threshold has not been kept since */
  readonly raised: boolean;
}

export const QUIET: AlertState = { broken: 0, raised: false };

/** Statistics of the live stream as a whole (version 0) are what rules speak of. */
export function speaksOf(rule: AlertRule, statistic: Statistic): boolean {
  return statistic.name === rule.statistic && statistic.subject === rule.subject && statistic.version === 0;
}

/** Law: `raise` is true exactly at the window that completes a run of `consecutive` broken ones since the last kept one. A null value neither breaks nor keeps. */
export function alertStep(
  rule: AlertRule,
  state: AlertState,
  value: number | null,
): { readonly state: AlertState; readonly raise: boolean } {
  if (value === null) return { state, raise: false };
  const breaks = rule.direction === 'above' ? value > rule.threshold : value < rule.threshold;
  if (!breaks) return { state: QUIET, raise: false };
  const broken = state.broken + 1;
  const raise = !state.raised && broken >= rule.consecutive;
  return { state: { broken, raised: state.raised || raise }, raise };
}

/**
 * The alerts of the last window.
 * @param windows the monitor's windows in order, the one being decided last; each with its statistics
 */
export function alertsOf(
  monitor: { readonly name: string; readonly alerts: readonly AlertRule[] },
  windows: readonly (readonly Statistic[])[],
): readonly AlertRaised[] {
  const alerts: AlertRaised[] = [];
  for (const rule of monitor.alerts) {
    let state = QUIET;
    windows.forEach((statistics, at) => {
      const statistic = statistics.find((candidate) => speaksOf(rule, candidate));
      if (statistic === undefined) return;
      const step = alertStep(rule, state, statistic.value);
      state = step.state;
      if (step.raise && at === windows.length - 1 && statistic.value !== null)
        alerts.push(alertOf(monitor.name, rule, statistic, statistic.value));
    });
  }
  return alerts;
}

function alertOf(monitor: string, rule: AlertRule, statistic: Statistic, value: number): AlertRaised {
  const what = rule.subject === '' ? rule.statistic : `${rule.statistic} of ${rule.subject}`;
  const times = rule.consecutive === 1 ? 'in this window' : `in ${String(rule.consecutive)} windows in a row`;
  return {
    alert_id: `${monitor}:${String(statistic.window_end)}:${rule.statistic}:${rule.subject}:${rule.direction}:${String(rule.threshold)}`,
    monitor,
    endpoint: statistic.endpoint,
    event_time: statistic.event_time,
    statistic_id: statistic.statistic_id,
    name: rule.statistic,
    subject: rule.subject,
    value,
    threshold: rule.threshold,
    reason: `${what} is ${inWords(value)}, ${rule.direction} ${inWords(rule.threshold)} ${times}.`,
  };
}
