/**
 * Confidence in the result of one query, from its score list: what nAUC sorts by (method §7).
 *
 *     max = max_i s_i      std = sqrt((1/n)·Σ (s_i − s̄)²)      diff1 = best − second best, 0 for one document
 *     neg_sigma_best = −σ_s of the best document
 */
import { oneOf } from '../options.ts'
import { checkNumbers, commonLength } from './inputs.ts'
import { largestMagnitude } from './magnitude.ts'
import { mean } from './retrieval.ts'

/** A confidence that needs the scores alone. */
export type ScoreConfidence = 'max' | 'std' | 'diff1'

/**
 * Confidence from the n >= 1 scores of a query, in any order; in the unit of the scores. 'std' and 'diff1' are >= 0;
 * a 'diff1' that overflows is Infinity.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for no score, a score that is not finite (unused cells of a result are not), and
 * an unknown kind.
 */
export function scoreConfidence(scores: ArrayLike<number>, kind: ScoreConfidence): number {
  oneOf('kind', kind, ['max', 'std', 'diff1'])
  commonLength({ scores })
  checkNumbers('scores', scores)
  if (kind === 'std') return standardDeviation(scores)
  const [best, second] = Float64Array.from(scores).sort().reverse()
  return kind === 'max' ? best! : best! - (second ?? best!)
}

/**
 * −σ_s of the best scored document, <= 0: `deviations[i]` is the deviation of the document with `scores[i]`. Of equal
 * scores the first counts.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for no score, lengths that differ, a number that is not finite, and a negative
 * deviation.
 */
export function negSigmaBest(scores: ArrayLike<number>, deviations: ArrayLike<number>): number {
  commonLength({ scores, deviations })
  checkNumbers('scores', scores)
  checkNumbers('deviations', deviations, 0)
  let best = 0
  for (let i = 1; i < scores.length; i += 1) if (scores[i]! > scores[best]!) best = i
  // A difference, because −x of 0 is −0.
  return 0 - deviations[best]!
}

/** About the first score, so that equal scores give exactly 0 and tie with each other. */
function standardDeviation(scores: ArrayLike<number>): number {
  const scale = largestMagnitude(scores)
  if (scale === 0) return 0
  const shifted = Float64Array.from(scores, (score) => score / scale - scores[0]! / scale)
  const centre = mean(shifted)
  return scale * Math.sqrt(mean(shifted.map((value) => (value - centre) ** 2)))
}
