/**
 * Area under the receiver operating characteristic (method §7), through the ranks (Mann and Whitney 1947).
 *
 *     AUROC = P(score of a positive > score of a negative) + ½·P(equal) = (Σ_{i positive} rank_i − P(P + 1)/2) / (P·N)
 *
 * with mean ranks for equal scores, P positives and N negatives.
 */
import { checkOrdered, commonLength, outcomes } from './inputs.ts'
import { meanRanks } from './ranks.ts'

/**
 * How well `scores` tell the positives (1, true) from the negatives (0, false), in [0, 1]: 0.5 is chance, 1 puts every
 * positive above every negative. Undefined where all are positive or all negative. ±Infinity is a score.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, a score that is NaN, and a label other than 0,
 * 1, false and true.
 */
export function auroc(labels: ArrayLike<number | boolean>, scores: ArrayLike<number>): number | undefined {
  const n = commonLength({ labels, scores })
  checkOrdered('scores', scores)
  const positive = outcomes('labels', labels)
  const ranks = meanRanks(scores)
  let positives = 0
  let sum = 0
  for (let i = 0; i < n; i += 1) {
    if (!positive[i]) continue
    positives += 1
    sum += ranks[i]!
  }
  const pairs = positives * (n - positives)
  return pairs === 0 ? undefined : (sum - (positives * (positives + 1)) / 2) / pairs
}
