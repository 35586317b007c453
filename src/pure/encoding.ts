/**
 * How the D numbers of a row are kept (docs/index-format.md), with m the largest of their absolute values:
 *
 *   float32  the numbers
 *   float16  s = 2^(⌊log₂ m⌋ − 14),  c = binary16(x/s),           x̂ = s·c exactly
 *   int8     s = fl(m/127),          c = round(fl(x/s)), ±127,     x̂ = fl(s·c)
 *   uint8    s = fl(m/255),          c = round(fl(x/s)), 0…255,    x̂ = fl(s·c)
 *
 * s is at least 2⁻¹²⁶, and 1 where m = 0. fl rounds to float32; all roundings are to the nearest, ties to even. The
 * native index does the same, bit for bit. (Math.fround of a float64 quotient or product of float32 numbers is the
 * float32 one: 53 ≥ 2·24 + 2.)
 */

import type { Storage } from '../storage.ts'
import { fromFloat16, roundTiesEven, toFloat16 } from './float16.ts'

export type Codes = Float32Array | Uint16Array | Int8Array | Uint8Array

/** Least scale: dividing by it stays in range. */
const LEAST_SCALE = 2 ** -126

export interface Encoding {
  /** Whether decoding may give other numbers than were encoded; rows of such an encoding have a scale each. */
  readonly lossy: boolean
  /** Bytes per number. */
  readonly width: number
  /** Memory for so many numbers. */
  codes(count: number): Codes
  /** Encodes the numbers into `codes` from `at` on; returns the scale. */
  encode(numbers: Float32Array, codes: Codes, at: number): number
  /** Decodes as many numbers as `into` has. */
  decode(codes: Codes, at: number, scale: number, into: Float32Array): void
}

const float32: Encoding = {
  lossy: false,
  width: 4,
  codes: (count) => new Float32Array(count),
  encode(numbers, codes, at) {
    codes.set(numbers, at)
    return 1
  },
  decode(codes, at, _scale, into) {
    into.set(codes.subarray(at, at + into.length))
  },
}

const float16: Encoding = {
  lossy: true,
  width: 2,
  codes: (count) => new Uint16Array(count),
  encode(numbers, codes, at) {
    const scale = powerScale(largest(numbers))
    const inverse = 1 / scale // exact, as the scale is a power of two
    for (let d = 0; d < numbers.length; d++) codes[at + d] = toFloat16(numbers[d]! * inverse)
    return scale
  },
  decode(codes, at, scale, into) {
    const values = float16Values()
    for (let d = 0; d < into.length; d++) into[d] = scale * values[codes[at + d]!]!
  },
}

/** Integer codes from `least` to `most`. */
function integers(codes: (count: number) => Codes, least: number, most: number): Encoding {
  return {
    lossy: true,
    width: 1,
    codes,
    encode(numbers, codes, at) {
      const scale = linearScale(largest(numbers), most)
      for (let d = 0; d < numbers.length; d++) {
        const code = roundTiesEven(Math.fround(numbers[d]! / scale))
        codes[at + d] = code > most ? most : code < least ? least : code
      }
      return scale
    },
    decode(codes, at, scale, into) {
      for (let d = 0; d < into.length; d++) into[d] = scale * codes[at + d]!
    },
  }
}

const int8 = integers((count) => new Int8Array(count), -127, 127)
const uint8 = integers((count) => new Uint8Array(count), 0, 255)

/** Of means. */
export const MEAN_ENCODINGS: Record<Storage, Encoding> = { float32, float16, int8 }
/** Of variances. */
export const VARIANCE_ENCODINGS: Record<Storage, Encoding> = { float32, float16, int8: uint8 }

function largest(numbers: Float32Array): number {
  let most = 0
  for (let d = 0; d < numbers.length; d++) {
    const magnitude = Math.abs(numbers[d]!)
    if (magnitude > most) most = magnitude
  }
  return most
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Brings the largest number into 2¹⁴ … 2¹⁵. */
function powerScale(most: number): number {
  if (most === 0) return 1
  float[0] = most
  return 2 ** Math.max((bits[0]! >>> 23) - 127 - 14, -126)
}

function linearScale(most: number, codes: number): number {
  return most === 0 ? 1 : Math.max(Math.fround(most / codes), LEAST_SCALE)
}

let decoded: Float32Array | undefined

/** The value of each binary16 code, made at first use. */
function float16Values(): Float32Array {
  decoded ??= Float32Array.from({ length: 1 << 16 }, (_, code) => fromFloat16(code))
  return decoded
}
