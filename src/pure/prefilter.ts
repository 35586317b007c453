/**
 * The int8 copy of float32 means that the native index looks through first: kept here so that files are the same and
 * may be opened by either; a search in plain TypeScript has no use for it. The error of a row is ‖x − s·c‖, rounded up.
 */

import { MEAN_ENCODINGS } from './encoding.ts'

const { int8 } = MEAN_ENCODINGS

export interface Prefilter {
  /** n×D, −127 to 127. */
  readonly codes: Int8Array
  readonly scales: Float32Array
  readonly errors: Float32Array
}

export function makePrefilter(rows: number, dimension: number): Prefilter {
  return {
    codes: new Int8Array(rows * dimension),
    scales: new Float32Array(rows),
    errors: new Float32Array(rows),
  }
}

export function encodePrefilter({ codes, scales, errors }: Prefilter, row: number, mean: Float32Array): void {
  const start = row * mean.length
  const scale = int8.encode(mean, codes, start)
  let sum = 0
  for (let d = 0; d < mean.length; d++) {
    const rest = mean[d]! - scale * codes[start + d]!
    sum += rest * rest
  }
  scales[row] = scale
  errors[row] = nextUp(Math.sqrt(sum))
}

export function copyPrefilter(
  from: Prefilter,
  start: number,
  end: number,
  to: Prefilter,
  at: number,
  dimension: number,
): void {
  to.codes.set(from.codes.subarray(start * dimension, end * dimension), at * dimension)
  to.scales.set(from.scales.subarray(start, end), at)
  to.errors.set(from.errors.subarray(start, end), at)
}

/** Whether row `row` is what {@link encodePrefilter} makes of this mean. */
export function isPrefilterOf(prefilter: Prefilter, row: number, mean: Float32Array): boolean {
  const own = makePrefilter(1, mean.length)
  encodePrefilter(own, 0, mean)
  const start = row * mean.length
  return (
    own.scales[0] === prefilter.scales[row] &&
    own.errors[0] === prefilter.errors[row] &&
    own.codes.every((code, d) => code === prefilter.codes[start + d])
  )
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The float32 above the nearest float32 of x ≥ 0. */
function nextUp(x: number): number {
  float[0] = x
  bits[0]!++
  return float[0]
}
