/** `uec`: uncertainty-aware text embeddings. The native implementation; scores, convolution and search fall back to `uec/pure`. */

import { createConvolve } from './convolution.ts'
import { chooseBackend } from './fallback.ts'
import { AbstractGaussianIndex, type IndexOptions, type OpenOptions, openIndex } from './gaussian-index.ts'
import { nativeBackend } from './native-backend.ts'
import { createSimilarity } from './similarity.ts'

export type { Calibration, CoefficientRule, UncertaintySource } from './coefficients.ts'
export type { Convolved, ConvolveOptions } from './convolution.ts'
export type { EmbedOptions } from './embed.ts'
export { type BakeOptions, Encoder, type EncoderInfo } from './encoder.ts'
export { EncoderBatch } from './encoder-batch.ts'
export type { EncoderOptions } from './encoder-options.ts'
export { Ensemble } from './ensemble.ts'
export type { AlignmentFit, Anchors } from './ensemble-alignment.ts'
export { EnsembleBatch } from './ensemble-batch.ts'
export type { EnsembleOptions } from './ensemble-load.ts'
export { type ErrorCode, UecError } from './errors.ts'
export type { FitOptions, Pair } from './fit.ts'
export { type Gaussian, GaussianBatch, type GaussianData } from './gaussian-batch.ts'
export type { IndexOptions, OpenOptions, SearchOptions } from './gaussian-index.ts'
export { type Hit, Hits } from './hits.ts'
export type { IndexFilter } from './index-filter.ts'
export type { Progress } from './job.ts'
export { Posterior, type PosteriorChanges, type PriorPrecision } from './posterior.ts'
export { type Capabilities, capabilities, configure } from './runtime.ts'
export type { Score, ScoreOptions, Scores } from './scores.ts'
export type { CallOptions } from './signal.ts'
export type { Prefilter, Storage } from './storage.ts'
export { type CustomUncertainty, type SeenTexts, uncertainties } from './uncertainty.ts'

const backend = chooseBackend(nativeBackend)

export const { similarity, pairwiseSimilarity } = createSimilarity(backend)

export const convolve = createConvolve(backend)

/** Exact search over Gaussians by id. */
export class GaussianIndex extends AbstractGaussianIndex {
  constructor(options: IndexOptions) {
    super(backend, options)
  }

  /**
   * Opens an index file and its journal. Rejects with ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION,
   * ERR_FILE_LOCKED, or ERR_FILE_WRITE where the journal cannot be written (open it readonly).
   */
  static async open(file: string, options?: OpenOptions): Promise<GaussianIndex> {
    return new GaussianIndex(await openIndex(backend, file, options))
  }
}
