/**
 * The canonical score of one pair: float64 on float32 inputs, summed over D in lanes (method §6).
 * a, v are mean and variance of the query, b, w those of the candidate. Each product and sum is rounded by itself and
 * in the order written here; the native routine does the same, so that both give the same bits (but for log, which may
 * differ in the last place).
 */

import type { Rows } from '../backend.ts'
import type { Score, ScorePlan } from '../scores.ts'
import { LANES, laneSum, total } from './lanes.ts'
import { bhattacharyya, csd, expectedLikelihood, jeffreys, kl, type Terms, wasserstein2 } from './terms.ts'

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

  wasserstein2: () => summed(wasserstein2, (sum) => -sum),
  csd: () => summed(csd, (sum) => -sum),
  jeffreys: () => summed(jeffreys, (sum) => -0.5 * sum),
  kl: () => summed(kl, (sum) => -0.5 * sum),
  bhattacharyya: () => summed(bhattacharyya, (sum) => -sum),
  'expected-likelihood': () =>
    summed(expectedLikelihood, (sum, dimension) => -0.5 * sum - (dimension / 2) * Math.log(2 * Math.PI)),
}

/** mean / sqrt(1 + (π/8) β variance): the probit approximation. */
function fold(mean: number, variance: number, beta: number): number {
  return mean / Math.sqrt(1 + (Math.PI / 8) * beta * variance)
}

/** finish(Σ_d term_d). An infinite term (a zero variance under a logarithm) makes the score -Infinity. */
function summed(terms: Terms, finish: (sum: number, dimension: number) => number): PairScore {
  let buffer = new Float64Array(0)
  return (queries, i, candidates, j) => {
    const { dimension } = queries
    if (buffer.length !== dimension) buffer = new Float64Array(dimension)
    terms(queries, i * dimension, candidates, j * dimension, buffer)
    return finish(laneSum(buffer, 0, dimension), dimension)
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
