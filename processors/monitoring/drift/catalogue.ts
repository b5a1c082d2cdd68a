// The closed table of drift statistics, in the order in which they are written.
import { chiSquare } from './chi-square.ts';
import { js } from './js.ts';
import { ks } from './ks.ts';
import { psi } from './psi.ts';
import { type DriftStatistic } from './statistic.ts';

export const DRIFT_STATISTICS: readonly DriftStatistic[] = [psi, js, ks, chiSquare];
