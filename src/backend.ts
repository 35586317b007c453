/**
 * What computes: the one interface behind the public functions. `src/pure` implements it in TypeScript, the native
 * binding in Rust. Arguments arrive checked (names, ranges, equal dimensions), and a backend checks only what it
 * alone can see: the rows and ids that go into an index, and files. Arrays are row-major; each promise settles with
 * arrays that the backend does not touch again. Errors are UecErrors.
 */

import type { CoefficientPlan } from './coefficients.ts'
import type { Gaussian } from './gaussian-batch.ts'
import type { ScorePlan, Scores } from './scores.ts'
import type { IndexPlan } from './storage.ts'

/** n×D Gaussians, borrowed for the call. A GaussianBatch is one. */
export interface Rows {
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly dimension: number
}

export interface Backend {
  readonly name: 'native' | 'pure'
  /** Row i against row i, by the canonical routine. Length n each. */
  pairwise(queries: Rows, candidates: Rows, plan: ScorePlan, signal?: AbortSignal): Promise<Scores>
  /** Every query against every candidate, queries×candidates, to 1e-5 of Σ|terms|. */
  allPairs(queries: Rows, candidates: Rows, plan: ScorePlan, signal?: AbortSignal): Promise<Scores>
  /** K members of n rows → their mixture (method §4, §5). */
  convolve(
    members: readonly Rows[],
    plan: CoefficientPlan,
    normalize: boolean,
    signal?: AbortSignal,
  ): Promise<Mixture>
  /** An empty index in memory. */
  createIndex(plan: IndexPlan): IndexStore
  /**
   * Opens an index file with what its journal adds. ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION,
   * ERR_FILE_LOCKED.
   */
  openIndex(file: string, options: OpenPlan, signal?: AbortSignal): Promise<IndexStore>
}

export interface OpenPlan {
  /** May be read piece by piece when it is needed. */
  mmap: boolean
  /** Takes no lock; neither add nor remove follows. */
  readonly: boolean
}

export interface Mixture {
  /** n×D. */
  mean: Float32Array
  /** n×D. */
  variance: Float32Array
  /** n×K; rows sum to 1, or to 0 where no member is valid. */
  coefficients: Float32Array
  /** ‖Σ_k π_k μ_k‖² of each row, n. */
  squaredNorms: Float64Array
  /** n; 0 where no member is valid or the mean vanishes: mean and variance are 0 there. */
  valid: Uint8Array
}

/**
 * Rows with ids, searched exactly. GaussianIndex calls one of `add`, `remove` and `save` at a time, and the others
 * whenever it likes. Those see the changes that have resolved before, and of one that is under way all or nothing;
 * the ones that return no promise never wait for it. The index answers an abort itself: `add`, `remove`, `save` and
 * `verify` may heed the signal to stop early, and settle only once their work has ended.
 */
export interface IndexStore {
  readonly plan: IndexPlan
  size(): number
  bytes(): number
  /**
   * All or nothing; known ids are replaced in place. In an opened index it resolves once the change is on the disk.
   * ERR_INVALID_ARGUMENT for an id that stands twice in `ids`, a mean that is all zero as it is kept, NaN, or a
   * negative or infinite variance; ERR_FILE_WRITE.
   */
  add(ids: readonly string[], rows: Rows, signal?: AbortSignal): Promise<void>
  /** How many of the ids were there. The rest keep their order. On the disk, as {@link add}. */
  remove(ids: readonly string[], signal?: AbortSignal): Promise<number>
  /** A copy, as the row is kept. */
  get(id: string): Gaussian | undefined
  has(id: string): boolean
  /** All ids of this moment by position, in portions, so that walking through many leaves the event loop free. */
  ids(): Iterable<readonly string[]>
  search(queries: Rows, plan: SearchPlan, signal?: AbortSignal): Promise<RankedHits>
  /** Atomic. Over the file that it was opened from, it empties the journal. ERR_FILE_WRITE, ERR_FILE_LOCKED. */
  save(file: string, signal?: AbortSignal): Promise<void>
  verify(signal?: AbortSignal): Promise<void>
  /** Frees the rows and gives the file back. Nothing is under way any more. */
  dispose(): void
}

export interface SearchPlan extends ScorePlan {
  /** Hits per query, ≥ 2, so that the margin is known, and below 2³². */
  k: number
  /** Only hits with score ≥ minScore, compared in float64. */
  minScore?: number
  /** Only these ids; unknown ones are ignored. */
  filter?: readonly string[]
}

/**
 * The best of each query, by falling float64 score, ties by lower position: the same number of cells for each query,
 * the smaller of the plan's k and the number of rows.
 */
export interface RankedHits {
  /** Each id that occurs, once; `indices` point into it. */
  ids: readonly string[]
  /** Used cells of each query. */
  counts: Uint32Array
  /** 0xFFFFFFFF where unused. */
  indices: Uint32Array
  /** -Infinity where unused, as in the next two. */
  scores: Float64Array
  similarities: Float64Array
  deviations: Float64Array
}
