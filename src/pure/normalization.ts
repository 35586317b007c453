/**
 * A Gaussian carried through z ↦ z/‖z‖ to first order (method §3):
 *
 *   μ = z/‖z‖,  v^μ_d = [ v_d (1 − 2μ_d²) + μ_d² Σ_e μ_e² v_e ] / ‖z‖²
 *
 * computed as [ v_d (1 − μ_d²)² + μ_d² Σ_{e≠d} μ_e² v_e ] / ‖z‖² with 1 − μ_d² = Σ_{e≠d} μ_e²: the same number from
 * positive terms only, so that nothing cancels where one component dominates and no variance is negative.
 */

/** Normalises one row in place and returns ‖z‖². A zero mean makes the variance zero too: an invalid row. */
export function normalizeRow(mean: Float64Array, variance: Float64Array): number {
  const squaredNorm = squaredLength(mean)
  if (squaredNorm === 0) {
    variance.fill(0)
    return 0
  }
  const norm = Math.sqrt(squaredNorm)
  // Sums over e ≠ d without subtraction: those of e > d, taken from the end, and those of e < d.
  const lengthAfter = new Float64Array(mean.length)
  const spreadAfter = new Float64Array(mean.length)
  let length = 0
  let spread = 0
  for (let d = mean.length - 1; d >= 0; d--) {
    lengthAfter[d] = length
    spreadAfter[d] = spread
    const square = mean[d]! ** 2 / squaredNorm
    length += square
    spread += square * variance[d]!
  }
  length = 0
  spread = 0
  for (let d = 0; d < mean.length; d++) {
    const square = mean[d]! ** 2 / squaredNorm
    const own = variance[d]!
    const others = length + lengthAfter[d]!
    variance[d] = (own * others * others + square * (spread + spreadAfter[d]!)) / squaredNorm
    length += square
    spread += square * own
    mean[d]! /= norm
  }
  return squaredNorm
}

/** ‖z‖² */
export function squaredLength(z: Float64Array): number {
  let sum = 0
  for (const component of z) sum += component * component
  return sum
}
