// The closed table of performance measures, in the order in which they are written.
import { auc } from './auc.ts';
import { brier } from './brier.ts';
import { calibrationError } from './calibration-error.ts';
import { labelRate } from './label-rate.ts';
import { logLoss } from './log-loss.ts';
import { type Measure } from './measure.ts';
import { scoreMean } from './score-mean.ts';

export const MEASURES: readonly Measure[] = [auc, logLoss, brier, calibrationError, labelRate, scoreMean];
