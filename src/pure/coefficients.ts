/**
 * Coefficients of one text's members (method §4):
 *
 *   softmax-trace      π_k = softmax_k( −tr(Σ_k)/T )
 *   inverse-variance   π_k ∝ 1/tr(Σ_k)
 *   softmax-precision  π_k = softmax_k( Σ_d 1/Σ_kd / T )
 *   power              π_k ∝ tr(Σ_k)^(−p)
 *   calibrated         π_k = softmax_k( a_k − Σ_j p_j log u_kj ), u within [1e-6, 1e6]
 *
 * Members of zero variance share everything, the limit of the formulas. Invalid members (rows of zeros) get 0.
 */

import type { Rows } from '../backend.ts'
import type { CoefficientPlan } from '../coefficients.ts'
import { inverseSum, laneSum } from './lanes.ts'

/** Writes π of one row into `out[k]`; all 0 where no member is valid or has weight. */
export function coefficientsOf(
  plan: CoefficientPlan,
  members: readonly Rows[],
  row: number,
  out: Float64Array,
): void {
  const valid: number[] = []
  for (const [k, member] of members.entries()) if (!isZero(member, row)) valid.push(k)
  const weights = weightsOf(plan, members, row, valid)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  out.fill(0)
  for (const [i, k] of valid.entries()) if (sum > 0) out[k] = weights[i]! / sum
}

/** Weights of the valid members, not normalised; the largest is 1 (or all are 0). */
function weightsOf(
  plan: CoefficientPlan,
  members: readonly Rows[],
  row: number,
  valid: readonly number[],
): number[] {
  const trace = (k: number) =>
    laneSum(members[k]!.variance, row * members[k]!.dimension, members[k]!.dimension)
  const precision = (k: number) =>
    inverseSum(members[k]!.variance, row * members[k]!.dimension, members[k]!.dimension)
  switch (plan.rule) {
    case 'softmax-trace':
      return softmax(
        valid.map((k) => -trace(k)),
        plan.temperature,
      )
    case 'softmax-precision':
      return softmax(valid.map(precision), plan.temperature)
    case 'inverse-variance':
      return inversePower(valid.map(trace), 1)
    case 'power':
      return inversePower(valid.map(trace), plan.power)
    case 'uniform':
      return valid.map(() => 1)
    case 'fixed': {
      const weights = valid.map((k) => plan.weights[k]!)
      const largest = Math.max(0, ...weights)
      return weights.map((weight) => (largest > 0 ? weight / largest : 0))
    }
    case 'calibrated': {
      const columns = plan.sources.length
      const first = row * members.length * columns
      const uncertainty = (k: number, j: number) =>
        plan.uncertainties ? plan.uncertainties[first + k * columns + j]! : trace(k)
      const exponent = (k: number) => {
        let discount = 0
        for (let j = 0; j < columns; j++) discount += plan.powers[j]! * clampedLog(uncertainty(k, j))
        return plan.weights[k]! - discount
      }
      return softmax(valid.map(exponent), 1)
    }
  }
}

/** exp((x − max)/T): no overflow for any T > 0. */
function softmax(x: number[], temperature: number): number[] {
  const max = Math.max(...x)
  return x.map((value) => (value === max ? 1 : Math.exp((value - max) / temperature)))
}

/** (min/x)^p: no overflow for any p > 0, and the limit where min is 0. */
function inversePower(x: number[], power: number): number[] {
  const min = Math.min(...x)
  return x.map((value) => (value === min ? 1 : (min / value) ** power))
}

function clampedLog(uncertainty: number): number {
  return Math.log(Math.min(Math.max(uncertainty, 1e-6), 1e6))
}

/** Whether mean and variance of a row are all 0: a text that this member could not embed (method §3). */
function isZero({ mean, variance, dimension }: Rows, row: number): boolean {
  const end = (row + 1) * dimension
  for (let i = row * dimension; i < end; i++) if (mean[i] !== 0 || variance[i] !== 0) return false
  return true
}
