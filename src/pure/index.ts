/** `uec/pure`: scores, convolution and search in plain TypeScript, with the names, types and results of `uec`. */

import { createConvolve } from '../convolution.ts'
import { AbstractGaussianIndex, type IndexOptions, type OpenOptions, openIndex } from '../gaussian-index.ts'
import { createSimilarity } from '../similarity.ts'
import { pureBackend } from './backend.ts'

export type { Calibration, CoefficientRule, UncertaintySource } from '../coefficients.ts'
export type { Convolved, ConvolveOptions } from '../convolution.ts'
export { type ErrorCode, UecError } from '../errors.ts'
export { type Gaussian, GaussianBatch, type GaussianData } from '../gaussian-batch.ts'
export type { IndexOptions, OpenOptions, SearchOptions, Storage } from '../gaussian-index.ts'
export { type Hit, Hits } from '../hits.ts'
export type { IndexFilter } from '../index-filter.ts'
export type { Score, ScoreOptions, Scores } from '../scores.ts'
export type { CallOptions } from '../signal.ts'

export const { similarity, pairwiseSimilarity } = createSimilarity(pureBackend)

export const convolve = createConvolve(pureBackend)

/** Exact search over Gaussians by id, in memory. */
export class GaussianIndex extends AbstractGaussianIndex {
  constructor(options: IndexOptions) {
    super(pureBackend, options)
  }

  /** Reads and checks an index file. Rejects with ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT or ERR_FILE_VERSION. */
  static async open(file: string, options?: OpenOptions): Promise<GaussianIndex> {
    return new GaussianIndex(await openIndex(pureBackend, file, options))
  }
}
