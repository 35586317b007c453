/**
 * `uec/eval`: measures of rankings, labels, probabilities and uncertainties, and intervals of their differences
 * (method §7).
 */
export { auroc } from './auroc.ts'
export { type BootstrapOptions, bootstrapDifference, type Interval, quantile } from './bootstrap.ts'
export {
  brierScore,
  expectedCalibrationError,
  multiclassBrierScore,
  topLabelCalibrationError,
} from './calibration.ts'
export { accuracy, macroF1 } from './classification.ts'
export { negSigmaBest, type ScoreConfidence, scoreConfidence } from './confidence.ts'
export { pearson, spearman } from './correlation.ts'
export { abstentionCurve, type ConfidenceTies, type NaucOptions, nauc } from './nauc.ts'
export { type Embeddings, nearestNeighbours, rAuroc } from './r-auroc.ts'
export { Random } from './random.ts'
export {
  averagePrecision,
  type Gain,
  type Judgements,
  mean,
  ndcg,
  rank,
  recall,
  reciprocalRank,
  type TieOrder,
} from './retrieval.ts'
export { varianceCalibrationError } from './variance-calibration.ts'
