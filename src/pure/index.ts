/** `uec/pure`: scores, convolution and search in plain TypeScript, with the names, types and results of `uec`. */

import { createConvolve } from '../convolution.ts'
import { AbstractGaussianIndex, type IndexOptions, type OpenOptions, openIndex } from '../gaussian-index.ts'
import { createSimilarity } from '../similarity.ts'
import { pureBackend } from './backend.ts'

export type { Calibration, CoefficientRule, UncertaintySource } from '../coefficients.ts'
export type { Convolved, ConvolveOptions } from '../convolution.ts'
export { type ErrorCode, UecError } from '../errors.ts'
export { type Gaussian, GaussianBatch, type GaussianData } from '../gaussian-batch.ts'
export type { IndexOptions, OpenOptions, SearchOptions } from '../gaussian-index.ts'
export { type Hit, Hits } from '../hits.ts'
export type { IndexFilter } from '../index-filter.ts'
export type { Score, ScoreOptions, Scores } from '../scores.ts'
export type { CallOptions } from '../signal.ts'
export type { Prefilter, Storage } from '../storage.ts'

export const { similarity, pairwiseSimilarity } = createSimilarity(pureBackend)

export const convolve = createConvolve(pureBackend)

/**
 * Exact search over Gaussians by id, in memory: every row is scored, whatever the prefilter, and an opened file is read
 * as a whole, whatever `mmap`. Node has no file locks: an index that is open for writing keeps other writers of the
 * same JavaScript thread away (ERR_FILE_LOCKED), but sees neither other threads nor other processes, nor they it. Let
 * one alone write to a file; readers may be many.
 */
export class GaussianIndex extends AbstractGaussianIndex {
  constructor(options: IndexOptions) {
    super(pureBackend, options)
  }

  /**
   * Reads and checks an index file and its journal. Rejects with ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT,
   * ERR_FILE_VERSION, ERR_FILE_LOCKED, or ERR_FILE_WRITE where the journal cannot be written (open it readonly).
   */
  static async open(file: string, options?: OpenOptions): Promise<GaussianIndex> {
    return new GaussianIndex(await openIndex(pureBackend, file, options))
  }
}
