/** Gaussian convolution μ = Σ_k π_k μ_k, Σ = Σ_k π_k² Σ_k, then to length 1 (method §5), in float64 inside. */

import type { Mixture, Rows } from '../backend.ts'
import type { CoefficientPlan } from '../coefficients.ts'
import { allocate } from '../gaussian-batch.ts'
import { TimeSlice } from '../time-slice.ts'
import { coefficientsOf } from './coefficients.ts'
import { normalizeRow, squaredLength } from './normalization.ts'

/** Largest finite float32. */
const FLOAT32_MAX = 3.4028234663852886e38

/** Mixes K members of n rows each. A row of the result depends on that row of the members alone. */
export async function convolve(
  members: readonly Rows[],
  plan: CoefficientPlan,
  normalize: boolean,
  signal?: AbortSignal,
): Promise<Mixture> {
  const { dimension } = members[0]!
  const cells = members[0]!.mean.length
  const rows = cells / dimension
  const mixture: Mixture = {
    mean: allocate(cells),
    variance: allocate(cells),
    coefficients: new Float32Array(rows * members.length),
    squaredNorms: new Float64Array(rows),
    valid: new Uint8Array(rows),
  }
  const mean = new Float64Array(dimension)
  const variance = new Float64Array(dimension)
  const coefficients = new Float64Array(members.length)
  const slice = new TimeSlice(signal)
  for (let row = 0; row < rows; row++) {
    coefficientsOf(plan, members, row, coefficients)
    mixture.coefficients.set(coefficients, row * members.length)
    mix(members, coefficients, row, mean, variance)
    const squaredNorm = normalize ? normalizeRow(mean, variance) : squaredLength(mean)
    const to = mixture.mean.subarray(row * dimension, (row + 1) * dimension)
    round(mean, to)
    if (to.some((component) => component !== 0)) {
      round(variance, mixture.variance.subarray(row * dimension, (row + 1) * dimension))
      mixture.squaredNorms[row] = squaredNorm
      mixture.valid[row] = 1
    }
    if (slice.spent(8 * dimension * members.length)) await slice.next()
  }
  return mixture
}

/** Σ π μ and Σ π² v of one row. */
function mix(
  members: readonly Rows[],
  coefficients: Float64Array,
  row: number,
  mean: Float64Array,
  variance: Float64Array,
): void {
  mean.fill(0)
  variance.fill(0)
  const start = row * mean.length
  for (let k = 0; k < members.length; k++) {
    const { mean: m, variance: v } = members[k]!
    const c = coefficients[k]!
    for (let d = 0; d < mean.length; d++) {
      mean[d]! += c * m[start + d]!
      variance[d]! += c * c * v[start + d]!
    }
  }
}

/** To float32; what does not fit becomes the largest finite number, so that rows stay valid. */
function round(from: Float64Array, to: Float32Array): void {
  for (let d = 0; d < from.length; d++) to[d] = Math.min(Math.max(from[d]!, -FLOAT32_MAX), FLOAT32_MAX)
}
