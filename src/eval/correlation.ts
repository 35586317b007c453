/**
 * Correlation of two lists (method §7).
 *
 *     pearson(x, y) = Σ (x_i − x̄)(y_i − ȳ) / sqrt(Σ (x_i − x̄)² · Σ (y_i − ȳ)²)
 *     spearman(x, y) = pearson(rank(x), rank(y)), equal values sharing their mean rank
 *
 * Neither has a value where one list is constant, a single pair included.
 */
import { checkNumbers, checkOrdered, commonLength } from './inputs.ts'
import { largestMagnitude } from './magnitude.ts'
import { meanRanks } from './ranks.ts'
import { mean } from './retrieval.ts'

/**
 * Linear correlation of x_i with y_i, in [−1, 1]; undefined where x or y is constant.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, and a value that is not finite.
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number | undefined {
  commonLength({ x, y })
  checkNumbers('x', x)
  checkNumbers('y', y)
  return productMoment(x, y)
}

/**
 * Correlation of the ranks of x_i with those of y_i, in [−1, 1]; undefined where x or y is constant. ±Infinity ranks
 * last or first.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, and NaN.
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number | undefined {
  commonLength({ x, y })
  checkOrdered('x', x)
  checkOrdered('y', y)
  return productMoment(meanRanks(x), meanRanks(y))
}

function productMoment(x: ArrayLike<number>, y: ArrayLike<number>): number | undefined {
  const [a, b] = [deviations(x), deviations(y)]
  if (!a || !b) return undefined
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i += 1) {
    ab += a[i]! * b[i]!
    aa += a[i]! ** 2
    bb += b[i]! ** 2
  }
  return Math.min(1, Math.max(-1, ab / (Math.sqrt(aa) * Math.sqrt(bb))))
}

/** x_i − x̄ in units of the largest |x_i|; undefined where x is constant. */
function deviations(x: ArrayLike<number>): Float64Array | undefined {
  if (Array.prototype.every.call(x, (value) => value === x[0])) return undefined
  const scale = largestMagnitude(x)
  const scaled = Float64Array.from(x, (value) => value / scale)
  const centre = mean(scaled)
  return scaled.map((value) => value - centre)
}
