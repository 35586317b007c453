/**
 * Calibration of predicted variances (method §7): Var-ECE, which is the uncertainty calibration error of Laves et al.,
 * "Well-calibrated regression uncertainty in medical imaging with deep learning", MIDL 2020.
 *
 *     Var-ECE = Σ_b (n_b/N)·|mean of (prediction − target)² in b − mean variance in b|
 *
 * over bins of equal width from the smallest to the largest predicted variance, [lo, hi) and the last one closed. Where
 * all variances are equal there is one bin.
 */
import { integer } from '../options.ts'
import { binnedGap, MOST_BINS } from './binned-gap.ts'
import { checkNumbers, commonLength } from './inputs.ts'

/**
 * Var-ECE in squared units of the target, >= 0; Infinity where a squared error overflows. For scores of a search:
 * prediction ŝ, variance σ_s² (the square of a hit's deviation), target the label. 10 bins unless told otherwise, as
 * the library of that paper has it.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, a number that is not finite, a negative
 * variance, and bins that are not an integer from 1 to 100 000.
 */
export function varianceCalibrationError(
  predictions: ArrayLike<number>,
  variances: ArrayLike<number>,
  targets: ArrayLike<number>,
  bins = 10,
): number {
  const n = commonLength({ predictions, variances, targets })
  checkNumbers('predictions', predictions)
  checkNumbers('variances', variances, 0)
  checkNumbers('targets', targets)
  integer('bins', bins, 1, MOST_BINS)

  let [low, high] = [variances[0]!, variances[0]!]
  for (let i = 1; i < n; i += 1) {
    low = Math.min(low, variances[i]!)
    high = Math.max(high, variances[i]!)
  }
  const errors = Float64Array.from({ length: n }, (_, i) => (predictions[i]! - targets[i]!) ** 2)
  const bin = high === low ? () => 0 : (i: number) => binOf(variances[i]!, low, high - low, bins)
  return binnedGap(errors, variances, bins, bin)
}

/** The bin of a variance, from 0. The quotient may round across an edge, so the edges have the last word. */
function binOf(variance: number, low: number, width: number, bins: number): number {
  const edge = (bin: number) => low + width * (bin / bins)
  const bin = Math.min(bins - 1, Math.floor(((variance - low) / width) * bins))
  if (variance < edge(bin)) return bin - 1
  return bin < bins - 1 && variance >= edge(bin + 1) ? bin + 1 : bin
}
