/**
 * Sums over D in the one order that every backend shares, so that a score has the same bits everywhere: lane j of
 * eight sums the terms of d ≡ j (mod 8) in ascending d from +0; then {@link total}. All in float64.
 * (One lane after the other is as fast in JavaScript as eight accumulators, which do not fit its registers.)
 */

export const LANES = 8

/** ((l0+l4)+(l2+l6))+((l1+l5)+(l3+l7)) */
export function total(l: Float64Array): number {
  return l[0]! + l[4]! + (l[2]! + l[6]!) + (l[1]! + l[5]! + (l[3]! + l[7]!))
}

const lanes = new Float64Array(LANES)

/** Σ_d x_d of D numbers, such as a trace. */
export function laneSum(x: Float32Array | Float64Array, start: number, dimension: number): number {
  const end = start + dimension
  for (let lane = 0; lane < LANES; lane++) {
    let sum = 0
    for (let d = start + lane; d < end; d += LANES) sum += x[d]!
    lanes[lane] = sum
  }
  return total(lanes)
}

/** Σ_d 1/x_d of one row; +Infinity where an entry is 0. */
export function inverseSum(x: Float32Array, start: number, dimension: number): number {
  const end = start + dimension
  for (let lane = 0; lane < LANES; lane++) {
    let sum = 0
    for (let d = start + lane; d < end; d += LANES) sum += 1 / Math.abs(x[d]!)
    lanes[lane] = sum
  }
  return total(lanes)
}
