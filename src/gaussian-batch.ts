/** n diagonal Gaussians of one dimension D: row-major n×D float32 means and variances. */

import { invalid, UecError } from './errors.ts'
import { describe, integer } from './options.ts'
import { TimeSlice } from './time-slice.ts'

/** One diagonal Gaussian: D means and D variances. Views, not copies. */
export interface Gaussian {
  readonly mean: Float32Array
  readonly variance: Float32Array
}

/** What a {@link GaussianBatch} is made of. */
export interface GaussianData {
  mean: Float32Array
  variance: Float32Array
  dimension: number
}

/** @internal Key of the fingerprint of the encoder or ensemble that made a batch; absent where the caller brought the numbers. */
export const FINGERPRINT: unique symbol = Symbol('uec.fingerprint')

/**
 * @internal Results of our own code on their way into a batch: not checked again, and not copied where they lie in
 * memory of {@link allocate}.
 */
export class TrustedGaussians implements GaussianData {
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly dimension: number
  readonly fingerprint: string | undefined

  constructor(mean: Float32Array, variance: Float32Array, dimension: number, fingerprint?: string) {
    this.mean = untransferable(mean)
    this.variance = untransferable(variance)
    this.dimension = dimension
    this.fingerprint = fingerprint
  }
}

/**
 * n diagonal Gaussians. The constructor copies its input once, into memory that cannot be transferred away; writing to
 * it during a call gives unspecified numbers, never worse.
 */
export class GaussianBatch implements Iterable<Gaussian> {
  /** n. */
  readonly length: number
  /** D. */
  readonly dimension: number
  /** n×D, finite. */
  readonly mean: Float32Array
  /** n×D, every entry finite and ≥ 0. */
  readonly variance: Float32Array
  /** @internal */
  readonly [FINGERPRINT]: string | undefined

  /**
   * @throws UecError ERR_INVALID_ARGUMENT for NaN, an infinite mean, an infinite or negative variance (naming row and
   * column), and where the lengths are not equal multiples of the dimension.
   */
  constructor(data: GaussianData) {
    const { mean, variance, dimension } = data instanceof TrustedGaussians ? data : checked(data)
    this.mean = mean
    this.variance = variance
    this.dimension = dimension
    this.length = mean.length / dimension
    this[FINGERPRINT] = data instanceof TrustedGaussians ? data.fingerprint : undefined
  }

  /** Total variance Σ_d v_d of each row, in float64. Length n. */
  traces(): Float64Array {
    const traces = new Float64Array(this.length)
    for (let row = 0, i = 0; row < this.length; row++) {
      let sum = 0
      for (const end = i + this.dimension; i < end; i++) sum += this.variance[i]!
      traces[row] = sum
    }
    return traces
  }

  /** The Gaussian of one row, 0 ≤ row < length. */
  at(row: number): Gaussian {
    if (integer('row', row, 0) >= this.length) {
      throw invalid(`row ${row} is out of range: the batch has ${this.length} rows`)
    }
    const start = row * this.dimension
    const end = start + this.dimension
    return { mean: this.mean.subarray(start, end), variance: this.variance.subarray(start, end) }
  }

  /** Rows from `start` to before `end`, counted as Array.prototype.slice counts. Shares memory with this batch. */
  slice(start = 0, end = this.length): GaussianBatch {
    const from = position(start, this.length) * this.dimension
    const to = Math.max(from, position(end, this.length) * this.dimension)
    const mean = this.mean.subarray(from, to)
    const variance = this.variance.subarray(from, to)
    return new GaussianBatch(new TrustedGaussians(mean, variance, this.dimension, this[FINGERPRINT]))
  }

  /**
   * The rows of all batches, one after the other.
   * @throws UecError ERR_INVALID_ARGUMENT for an empty list (its dimension is unknown), ERR_DIMENSION_MISMATCH,
   * ERR_POSTERIOR_MISMATCH where the batches come from different ensembles.
   */
  static concat(batches: readonly GaussianBatch[]): GaussianBatch {
    if (!Array.isArray(batches) || batches.length === 0) {
      throw invalid(`concat takes an array of at least one GaussianBatch, not ${describe(batches)}`)
    }
    const first = checkBatch('batches[0]', batches[0])
    for (const [i, batch] of batches.entries()) checkBatch(`batches[${i}]`, batch, first.dimension)
    const known = batches.find((batch) => batch[FINGERPRINT] !== undefined)?.[FINGERPRINT]
    for (const [i, batch] of batches.entries()) checkFingerprint(`batches[${i}]`, batch, known)
    const fingerprint = batches.every((batch) => batch[FINGERPRINT] === known) ? known : undefined
    const rows = batches.reduce((sum, batch) => sum + batch.length, 0)
    const mean = allocate(rows * first.dimension)
    const variance = allocate(rows * first.dimension)
    let offset = 0
    for (const batch of batches) {
      mean.set(batch.mean, offset)
      variance.set(batch.variance, offset)
      offset += batch.mean.length
    }
    return new GaussianBatch(new TrustedGaussians(mean, variance, first.dimension, fingerprint))
  }

  *[Symbol.iterator](): Iterator<Gaussian> {
    for (let row = 0; row < this.length; row++) yield this.at(row)
  }
}

/** @internal Refuses anything but a batch, and a batch of another dimension where one is given. */
export function checkBatch(what: string, batch: unknown, dimension?: number): GaussianBatch {
  if (!(batch instanceof GaussianBatch))
    throw invalid(`${what} must be a GaussianBatch, not ${describe(batch)}`)
  if (dimension !== undefined && batch.dimension !== dimension) {
    throw new UecError(
      'ERR_DIMENSION_MISMATCH',
      `${what} has dimension ${batch.dimension}, expected ${dimension}`,
    )
  }
  return batch
}

/** @internal Refuses a batch that another encoder or ensemble made. Batches of numbers that the caller brought pass. */
export function checkFingerprint(what: string, batch: GaussianBatch, expected: string | undefined): void {
  const found = batch[FINGERPRINT]
  if (found === undefined || expected === undefined || found === expected) return
  throw new UecError(
    'ERR_POSTERIOR_MISMATCH',
    `${what}: made by another encoder or ensemble (fingerprint ${found}) than expected (${expected}): embed it with the same encoders, posteriors and calibration`,
  )
}

/**
 * @internal Zeroed float32 memory that cannot be transferred, so that no other thread loses it during a call. Browsers
 * without cross-origin isolation have no such memory; there, nothing runs in other threads either.
 */
export function allocate(length: number): Float32Array {
  try {
    if (typeof SharedArrayBuffer === 'undefined') return new Float32Array(length)
    return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT))
  } catch (cause) {
    throw new UecError('ERR_OUT_OF_MEMORY', `no memory for ${length} float32 numbers`, { cause })
  }
}

/** Numbers copied between two looks at the clock; the work of one is that of many multiplications (new pages). */
const COPIED = 1 << 18

/**
 * @internal Large results on their way into a batch, moved into memory of {@link allocate} in slices that leave the
 * event loop free.
 */
export async function settle(numbers: Float32Array): Promise<Float32Array> {
  if (numbers.length <= COPIED) return untransferable(numbers)
  const settled = allocate(numbers.length)
  const slice = new TimeSlice()
  for (let start = 0; start < numbers.length; start += COPIED) {
    settled.set(numbers.subarray(start, start + COPIED), start)
    if (slice.spent(COPIED)) await slice.next()
  }
  return settled
}

function untransferable(numbers: Float32Array): Float32Array {
  if (typeof SharedArrayBuffer !== 'undefined' && numbers.buffer instanceof SharedArrayBuffer) return numbers
  return copy(numbers)
}

function copy(numbers: Float32Array): Float32Array {
  const copied = allocate(numbers.length)
  copied.set(numbers)
  return copied
}

function checked(data: GaussianData): GaussianData {
  if (typeof data !== 'object' || data === null) {
    throw invalid(`GaussianBatch takes { mean, variance, dimension }, not ${describe(data)}`)
  }
  const dimension = integer('dimension', data.dimension, 1)
  for (const name of ['mean', 'variance'] as const) {
    if (!(data[name] instanceof Float32Array)) {
      throw invalid(`${name} must be a Float32Array, not ${describe(data[name])}`)
    }
  }
  if (data.mean.length !== data.variance.length || data.mean.length % dimension !== 0) {
    throw invalid(
      `mean (${data.mean.length} numbers) and variance (${data.variance.length}) must be equally long and hold whole rows of ${dimension}`,
    )
  }
  // Copied first: what was checked is what is kept, even if another thread writes to the input.
  const mean = copy(data.mean)
  const variance = copy(data.variance)
  for (let i = 0; i < mean.length; i++) {
    if (!(Math.abs(mean[i]!) < Infinity)) throw wrongEntry('mean', i, mean[i]!, dimension, 'finite')
    if (!(variance[i]! >= 0 && variance[i]! < Infinity)) {
      throw wrongEntry('variance', i, variance[i]!, dimension, 'finite and >= 0')
    }
  }
  return { mean, variance, dimension }
}

function wrongEntry(name: string, index: number, value: number, dimension: number, rule: string): UecError {
  const row = Math.floor(index / dimension)
  return invalid(`${name} at row ${row}, column ${index % dimension} is ${value}: it must be ${rule}`)
}

/** Array.prototype.slice's reading of an index: truncated, negative from the end, cut to the range. */
function position(index: number, length: number): number {
  const whole = Math.trunc(index) || 0
  return Math.min(Math.max(whole < 0 ? length + whole : whole, 0), length)
}
