/** The nine scores over two Gaussians by name; higher is better for all, distances are negated (method §6). */

import { checkOptions, nonNegative, oneOf } from './options.ts'
import { checkSignal } from './signal.ts'

/** Names of the scores. */
export const SCORES = [
  'uec',
  'cosine',
  'wasserstein2',
  'jeffreys',
  'kl',
  'bhattacharyya',
  'expected-likelihood',
  'csd',
  'prob-cosine',
] as const

export type Score = (typeof SCORES)[number]

export interface ScoreOptions {
  /** Default 'uec'. */
  score?: Score
  /** Weight β ≥ 0 of the variance in 'uec' and 'prob-cosine', default 1. */
  beta?: number
  signal?: AbortSignal
}

/** Scores of pairs with what they are made of; undefined scores are -Infinity, NaN never appears. */
export interface Scores {
  scores: Float32Array
  /** Means μ_s of the inner products. */
  similarities: Float32Array
  /** Standard deviations σ_s of the inner products. */
  deviations: Float32Array
}

/** @internal Score options after the check, defaults filled in. */
export interface ScorePlan {
  score: Score
  beta: number
}

/** @internal Names of the score options. */
export const SCORE_OPTIONS = ['score', 'beta', 'signal'] as const

/** @internal Checks score options; `more` names further options that the caller checks itself. */
export function planScore(
  owner: string,
  options: ScoreOptions = {},
  more: readonly string[] = [],
): ScorePlan & { signal: AbortSignal | undefined } {
  checkOptions(owner, options, [...SCORE_OPTIONS, ...more])
  const { score = 'uec', beta = 1, signal } = options
  return {
    score: oneOf('score', score, SCORES),
    beta: nonNegative('beta', beta),
    signal: checkSignal(signal),
  }
}
