/**
 * The canonical score of one pair: float64 on float32 inputs, summed over D in lanes (method §6).
 * a, v are mean and variance of the query, b, w those of the candidate. Each product and sum is rounded by itself and
 * in the order written here; the native routine does the same, so that both give the same bits (but for log, which may
 * differ in the last place).
 */

import type { Rows } from '../backend.ts'
import type { Score, ScorePlan } from '../scores.ts'
import { LANES, total } from './lanes.ts'

/** Scores row i of the queries against row j of the candidates. -Infinity where undefined, never NaN. */
export type PairScore = (queries: Rows, i: number, candidates: Rows, j: number) => number

/** μ_s and σ_s² of the inner product of two independent Gaussians. */
export interface Moments {
  similarity: number
  variance: number
}

/** μ_s = Σ a b,  σ_s² = Σ a² w + v b² + v w. Written into `out`, which is not read. */
export function moments(queries: Rows, i: number, candidates: Rows, j: number, out: Moments): void {
  const { mean: a, variance: v, dimension } = queries
  const { mean: b, variance: w } = candidates
  const end = (i + 1) * dimension
  const shift = (j - i) * dimension
  for (let lane = 0; lane < LANES; lane++) {
    let similarity = 0
    let variance = 0
    for (let d = i * dimension + lane; d < end; d += LANES) {
      const ad = a[d]!
      const vd = v[d]!
      const bd = b[d + shift]!
      const wd = w[d + shift]!
      similarity += ad * bd
      variance += ad * ad * wd + vd * (bd * bd) + vd * wd
    }
    similarityLanes[lane] = similarity
    varianceLanes[lane] = variance
  }
  out.similarity = total(similarityLanes)
  out.variance = total(varianceLanes)
}

const similarityLanes = new Float64Array(LANES)
const varianceLanes = new Float64Array(LANES)
const pair: Moments = { similarity: 0, variance: 0 }

/** The routine of a score. */
export function pairScore({ score, beta }: ScorePlan): PairScore {
  return SCORES[score](beta)
}

const SCORES: Record<Score, (beta: number) => PairScore> = {
  /** μ_s / sqrt(1 + (π/8) β σ_s²) */
  uec: (beta) => (queries, i, candidates, j) => {
    moments(queries, i, candidates, j, pair)
    return fold(pair.similarity, pair.variance, beta)
  },

  /** μ_s */
  cosine: () => (queries, i, candidates, j) => {
    moments(queries, i, candidates, j, pair)
    return pair.similarity
  },

  /** E[cos] = μ_s/√n folded with variance σ_s²/n,  n = Σ(a² + v) · Σ(b² + w) */
  'prob-cosine': (beta) => (queries, i, candidates, j) => {
    const n = secondMoment(queries, i) * secondMoment(candidates, j)
    if (n === 0) return -Infinity
    moments(queries, i, candidates, j, pair)
    return fold(pair.similarity / Math.sqrt(n), pair.variance / n, beta)
  },

  /** −( ‖a − b‖² + Σ (√v − √w)² ) */
  wasserstein2: () =>
    summed((a, v, b, w) => {
      const t = a - b
      const s = Math.sqrt(v) - Math.sqrt(w)
      return t * t + s * s
    }, negate),

  /** −( ‖a − b‖² + Σ (v + w) ) */
  csd: () =>
    summed((a, v, b, w) => {
      const t = a - b
      return t * t + (v + w)
    }, negate),

  /** −½ Σ [ (v + Δ²)/w + (w + Δ²)/v − 2 ],  Δ = a − b */
  jeffreys: () =>
    summed((a, v, b, w) => {
      const t = a - b
      return v === 0 || w === 0 ? Infinity : (v + t * t) / w + (w + t * t) / v - 2
    }, negateHalf),

  /** −½ Σ [ log(w/v) + (v + Δ²)/w − 1 ] */
  kl: () =>
    summed((a, v, b, w) => {
      const t = a - b
      return v === 0 || w === 0 ? Infinity : Math.log(w / v) + (v + t * t) / w - 1
    }, negateHalf),

  /** −Σ [ Δ²/(4(v + w)) + ½ log((v + w)/(2√(v w))) ] */
  bhattacharyya: () =>
    summed((a, v, b, w) => {
      const t = a - b
      if (v === 0 || w === 0) return Infinity
      return (t * t) / (4 * (v + w)) + 0.5 * Math.log((v + w) / (2 * (Math.sqrt(v) * Math.sqrt(w))))
    }, negate),

  /** −½ Σ [ Δ²/(v + w) + log(v + w) ] − (D/2) log 2π */
  'expected-likelihood': () =>
    summed(
      (a, v, b, w) => {
        const t = a - b
        return v + w === 0 ? Infinity : (t * t) / (v + w) + Math.log(v + w)
      },
      (sum, dimension) => -0.5 * sum - (dimension / 2) * Math.log(2 * Math.PI),
    ),
}

const negate = (sum: number) => -sum
const negateHalf = (sum: number) => -0.5 * sum

/** mean / sqrt(1 + (π/8) β variance): the probit approximation. */
function fold(mean: number, variance: number, beta: number): number {
  return mean / Math.sqrt(1 + (Math.PI / 8) * beta * variance)
}

/** finish(Σ_d term(a, v, b, w)). An infinite term (a zero variance under a logarithm) makes the score -Infinity. */
function summed(
  term: (a: number, v: number, b: number, w: number) => number,
  finish: (sum: number, dimension: number) => number,
): PairScore {
  const lanes = new Float64Array(LANES)
  return (queries, i, candidates, j) => {
    const { mean: a, variance: v, dimension } = queries
    const { mean: b, variance: w } = candidates
    const end = (i + 1) * dimension
    const shift = (j - i) * dimension
    for (let lane = 0; lane < LANES; lane++) {
      let sum = 0
      for (let d = i * dimension + lane; d < end; d += LANES) {
        sum += term(a[d]!, v[d]!, b[d + shift]!, w[d + shift]!)
      }
      lanes[lane] = sum
    }
    return finish(total(lanes), dimension)
  }
}

const squareLanes = new Float64Array(LANES)

/** E‖x‖² = Σ (a² + v) of one row. */
function secondMoment({ mean, variance, dimension }: Rows, row: number): number {
  const end = (row + 1) * dimension
  for (let lane = 0; lane < LANES; lane++) {
    let sum = 0
    for (let d = row * dimension + lane; d < end; d += LANES) sum += mean[d]! * mean[d]! + variance[d]!
    squareLanes[lane] = sum
  }
  return total(squareLanes)
}
