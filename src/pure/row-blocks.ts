/** Growing n×D Gaussians in blocks, so that growth copies nothing. */

import type { Rows } from '../backend.ts'
import { UecError } from '../errors.ts'
import type { Gaussian } from '../gaussian-batch.ts'

/** About the numbers per block: small enough to stay in a cache while many queries pass over it. */
const BLOCK_NUMBERS = 1 << 17

export class RowBlocks {
  readonly dimension: number
  /** Rows per block. */
  readonly height: number
  readonly #blocks: Rows[] = []

  constructor(dimension: number) {
    this.dimension = dimension
    this.height = Math.max(1, Math.floor(BLOCK_NUMBERS / dimension))
  }

  /** Makes room for `rows` rows in all. Throws ERR_OUT_OF_MEMORY and keeps what is there. */
  reserve(rows: number): void {
    const cells = this.height * this.dimension
    const before = this.#blocks.length
    try {
      while (this.#blocks.length * this.height < rows) {
        const mean = new Float32Array(cells)
        this.#blocks.push({ mean, variance: new Float32Array(cells), dimension: this.dimension })
      }
    } catch (cause) {
      this.#blocks.length = before
      throw new UecError('ERR_OUT_OF_MEMORY', `no memory for ${rows} rows of dimension ${this.dimension}`, {
        cause,
      })
    }
  }

  /** Frees the blocks that `rows` rows do not need. */
  shrink(rows: number): void {
    this.#blocks.length = Math.min(this.#blocks.length, Math.ceil(rows / this.height))
  }

  /** The block of a position; the row in it is position % height. */
  block(position: number): Rows {
    return this.#blocks[Math.floor(position / this.height)]!
  }

  /** Views of one row. */
  row(position: number): Gaussian {
    return rowOf(this.block(position), position % this.height)
  }

  /** Writes a row. */
  set(position: number, { mean, variance }: Gaussian): void {
    const target = this.row(position)
    target.mean.set(mean)
    target.variance.set(variance)
  }

  /** The means or variances of the first `rows` rows, block by block. */
  *parts(part: 'means' | 'variances', rows: number): Generator<Float32Array> {
    for (const [b, { mean, variance }] of this.#blocks.entries()) {
      const left = (rows - b * this.height) * this.dimension
      yield (part === 'means' ? mean : variance).subarray(0, left)
    }
  }
}

/** Views of one row. */
export function rowOf({ mean, variance, dimension }: Rows, row: number): Gaussian {
  const start = row * dimension
  return {
    mean: mean.subarray(start, start + dimension),
    variance: variance.subarray(start, start + dimension),
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
