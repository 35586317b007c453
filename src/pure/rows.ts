/** Rows as an index keeps them: columns of encoded numbers, in blocks of about as many bytes as a cache holds. */

import type { Gaussian } from '../gaussian-batch.ts'
import type { IndexPlan } from '../storage.ts'
import { type Codes, type Encoding, MEAN_ENCODINGS, VARIANCE_ENCODINGS } from './encoding.ts'
import { copyPrefilter, encodePrefilter, makePrefilter, type Prefilter } from './prefilter.ts'

/** Numbers of a moment per full block: small enough to stay in a cache while many queries pass over it. */
const BLOCK_NUMBERS = 1 << 17

/** One moment of the rows. */
export interface Column {
  readonly codes: Codes
  /** One per row; none where the codes are the numbers. */
  readonly scales: Float32Array
}

/** Room for rows. What a block shows of it never changes; behind that, the next block that shares it may write. */
export interface Columns {
  /** Rows that fit. */
  readonly capacity: number
  readonly ids: string[]
  /** The order of the rows, rising. */
  readonly positions: Float64Array
  readonly mean: Column
  readonly variance: Column
  readonly prefilter: Prefilter | undefined
}

/** The first `count` rows of columns. */
export interface Block {
  readonly columns: Columns
  readonly count: number
}

/** How the rows of an index are laid out. */
export class RowFormat {
  readonly dimension: number
  readonly mean: Encoding
  readonly variance: Encoding
  readonly hasPrefilter: boolean
  /** Rows of a full block. */
  readonly height: number
  /** Bytes of a row without its id. */
  readonly rowBytes: number
  readonly #scratch: Gaussian

  constructor({ dimension, storage, prefilter }: IndexPlan) {
    this.dimension = dimension
    this.mean = MEAN_ENCODINGS[storage]
    this.variance = VARIANCE_ENCODINGS[storage]
    this.hasPrefilter = prefilter === 'int8'
    this.height = Math.max(1, Math.floor(BLOCK_NUMBERS / dimension))
    const scales = this.mean.lossy ? 8 : 0
    this.rowBytes = 2 * this.mean.width * dimension + scales + (this.hasPrefilter ? dimension + 8 : 0)
    this.#scratch = { mean: new Float32Array(dimension), variance: new Float32Array(dimension) }
  }

  allocate(capacity: number): Columns {
    const column = (encoding: Encoding): Column => ({
      codes: encoding.codes(capacity * this.dimension),
      scales: new Float32Array(encoding.lossy ? capacity : 0),
    })
    return {
      capacity,
      ids: [],
      positions: new Float64Array(capacity),
      mean: column(this.mean),
      variance: column(this.variance),
      prefilter: this.hasPrefilter ? makePrefilter(capacity, this.dimension) : undefined,
    }
  }

  /** Writes row `at`. Returns why an index cannot keep it, if it cannot. */
  encode({ mean, variance, prefilter }: Columns, at: number, row: Gaussian): string | undefined {
    const start = at * this.dimension
    const meanScale = this.mean.encode(row.mean, mean.codes, start)
    const varianceScale = this.variance.encode(row.variance, variance.codes, start)
    if (prefilter) encodePrefilter(prefilter, at, row.mean)
    if (this.mean.lossy) {
      mean.scales[at] = meanScale
      variance.scales[at] = varianceScale
      const given = rowProblem(row)
      if (given) return given
    }
    // What is kept is what is checked, even if another thread writes to the input.
    this.decode({ mean, variance }, at, this.#scratch)
    const kept = rowProblem(this.#scratch)
    return this.mean.lossy && kept ? `encoded, ${kept}` : kept
  }

  /** Decodes row `at` into memory of the caller. */
  decode({ mean, variance }: Pick<Columns, 'mean' | 'variance'>, at: number, into: Gaussian): void {
    const start = at * this.dimension
    this.mean.decode(mean.codes, start, mean.scales[at] ?? 1, into.mean)
    this.variance.decode(variance.codes, start, variance.scales[at] ?? 1, into.variance)
  }

  /** Copies rows from `start` to before `end`, with ids and positions. */
  copy(from: Columns, start: number, end: number, to: Columns, at: number): void {
    const { dimension } = this
    for (let row = start; row < end; row++) to.ids[at + row - start] = from.ids[row]!
    to.positions.set(from.positions.subarray(start, end), at)
    for (const part of ['mean', 'variance'] as const) {
      to[part].codes.set(from[part].codes.subarray(start * dimension, end * dimension), at * dimension)
      if (this.mean.lossy) to[part].scales.set(from[part].scales.subarray(start, end), at)
    }
    if (from.prefilter && to.prefilter) copyPrefilter(from.prefilter, start, end, to.prefilter, at, dimension)
  }
}

/** Why an index cannot keep a row, if it cannot. */
export function rowProblem({ mean, variance }: Gaussian): string | undefined {
  let zero = true
  for (let d = 0; d < mean.length; d++) {
    const m = mean[d]!
    const v = variance[d]!
    if (!(Math.abs(m) < Infinity)) return `mean ${d} is ${m}, not finite`
    if (!(v >= 0 && v < Infinity)) return `variance ${d} is ${v}, not finite and >= 0`
    if (m !== 0) zero = false
  }
  return zero ? 'its mean is all zero, as of a text that could not be embedded' : undefined
}
