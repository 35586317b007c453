/** The sum that the calibration errors share (method §7). */

/**
 *     Σ_b (n_b/N)·|mean of observed in b − mean of predicted in b| = Σ_b |Σ_{i ∈ b} (observed_i − predicted_i)/N|
 *
 * where item i of N lies in bin `bin(i)` of `bins`. Each term is divided by N before the sum, so that no sum of finite
 * terms overflows.
 */
export function binnedGap(
  observed: ArrayLike<number>,
  predicted: ArrayLike<number>,
  bins: number,
  bin: (i: number) => number,
): number {
  const sums = new Float64Array(bins)
  for (let i = 0; i < observed.length; i += 1)
    sums[bin(i)]! += (observed[i]! - predicted[i]!) / observed.length
  return sums.reduce((total, sum) => total + Math.abs(sum), 0)
}

/** More bins than this measure nothing, and only ask for memory. */
export const MOST_BINS = 100_000
