/**
 * The terms over d of the scores that are one sum (method §6): a, v are mean and variance of the query from `i` on, b, w
 * those of the candidate from `j` on. A loop for each, without a call per term, is what JavaScript makes fast.
 */

import type { Rows } from '../backend.ts'

/** Writes D terms; Infinity where the score is undefined. */
export type Terms = (queries: Rows, i: number, candidates: Rows, j: number, terms: Float64Array) => void

/** −( ‖a − b‖² + Σ (√v − √w)² ) */
export const wasserstein2: Terms = ({ mean: a, variance: v }, i, { mean: b, variance: w }, j, terms) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    const s = Math.sqrt(v[i + d]!) - Math.sqrt(w[j + d]!)
    terms[d] = t * t + s * s
  }
}

/** −( ‖a − b‖² + Σ (v + w) ) */
export const csd: Terms = ({ mean: a, variance: v }, i, { mean: b, variance: w }, j, terms) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    terms[d] = t * t + (v[i + d]! + w[j + d]!)
  }
}

/** −½ Σ [ (v + Δ²)/w + (w + Δ²)/v − 2 ],  Δ = a − b */
export const jeffreys: Terms = ({ mean: a, variance: v }, i, { mean: b, variance: w }, j, terms) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    const vd = v[i + d]!
    const wd = w[j + d]!
    terms[d] = vd === 0 || wd === 0 ? Infinity : (vd + t * t) / wd + (wd + t * t) / vd - 2
  }
}

/** −½ Σ [ log(w/v) + (v + Δ²)/w − 1 ] */
export const kl: Terms = ({ mean: a, variance: v }, i, { mean: b, variance: w }, j, terms) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    const vd = v[i + d]!
    const wd = w[j + d]!
    terms[d] = vd === 0 || wd === 0 ? Infinity : Math.log(wd / vd) + (vd + t * t) / wd - 1
  }
}

/** −Σ [ Δ²/(4(v + w)) + ½ log((v + w)/(2√(v w))) ] */
export const bhattacharyya: Terms = ({ mean: a, variance: v }, i, { mean: b, variance: w }, j, terms) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    const vd = v[i + d]!
    const wd = w[j + d]!
    const root = Math.sqrt(vd) * Math.sqrt(wd)
    const sum = vd + wd
    terms[d] = vd === 0 || wd === 0 ? Infinity : (t * t) / (4 * sum) + 0.5 * Math.log(sum / (2 * root))
  }
}

/** −½ Σ [ Δ²/(v + w) + log(v + w) ] − (D/2) log 2π */
export const expectedLikelihood: Terms = (
  { mean: a, variance: v },
  i,
  { mean: b, variance: w },
  j,
  terms,
) => {
  for (let d = 0; d < terms.length; d++) {
    const t = a[i + d]! - b[j + d]!
    const sum = v[i + d]! + w[j + d]!
    terms[d] = sum === 0 ? Infinity : (t * t) / sum + Math.log(sum)
  }
}
