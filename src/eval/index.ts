/** `uec/eval`: measures of rankings and the uncertainty of their differences (method §7). */
export { type BootstrapOptions, bootstrapDifference, type Interval, quantile } from './bootstrap.ts'
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
