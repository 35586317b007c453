/** Scores of Gaussians against Gaussians (method §6), over a backend. */

import type { Backend } from './backend.ts'
import { invalid } from './errors.ts'
import { checkBatch, type GaussianBatch } from './gaussian-batch.ts'
import { planScore, type ScoreOptions, type Scores } from './scores.ts'
import { abortable } from './signal.ts'

type Compare = (queries: GaussianBatch, candidates: GaussianBatch, options?: ScoreOptions) => Promise<Scores>

export interface Similarity {
  /**
   * All pairs: arrays are queries×candidates, row-major. Natively computed in float32, each within 1e-5 of the sum of
   * the absolute terms of its score.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH or the signal's reason.
   */
  similarity: Compare
  /**
   * Row i of queries against row i of candidates: arrays have length n. The same numbers as in search results.
   * Rejects with ERR_INVALID_ARGUMENT (also for unequal lengths), ERR_DIMENSION_MISMATCH or the signal's reason.
   */
  pairwiseSimilarity: Compare
}

/** @internal The public functions over one backend. */
export function createSimilarity(backend: Backend): Similarity {
  return {
    async similarity(queries, candidates, options) {
      const { signal, ...plan } = planScore('similarity', options)
      checkBatch('queries', queries)
      checkBatch('candidates', candidates, queries.dimension)
      return abortable(signal, () => backend.allPairs(queries, candidates, plan, signal))
    },
    async pairwiseSimilarity(queries, candidates, options) {
      const { signal, ...plan } = planScore('pairwiseSimilarity', options)
      checkBatch('queries', queries)
      checkBatch('candidates', candidates, queries.dimension)
      if (queries.length !== candidates.length) {
        throw invalid(
          `pairwiseSimilarity compares row by row: ${queries.length} queries, but ${candidates.length} candidates`,
        )
      }
      return abortable(signal, () => backend.pairwise(queries, candidates, plan, signal))
    },
  }
}
