/** Bit patterns of the encodings, by IEEE 754 and by docs/index-format.md, and what holds for every row. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Encoding, MEAN_ENCODINGS, VARIANCE_ENCODINGS } from '../../src/pure/encoding.ts'
import { fromFloat16, roundTiesEven, toFloat16 } from '../../src/pure/float16.ts'
import { encodePrefilter, isPrefilterOf, makePrefilter } from '../../src/pure/prefilter.ts'

const MOST = 3.4028234663852886e38

describe('binary16', () => {
  test.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [1 / 3, 0x3555],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [(1023 / 1024) * 2 ** -14, 0x03ff],
    // Ties go to the even code: down, up, and over into the next exponent and the normal numbers.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -11, 0x4000],
    [2 ** -25, 0x0000],
    [-(2 ** -25), 0x8000],
    [1.5 * 2 ** -24, 0x0002],
    [2.5 * 2 ** -24, 0x0002],
    [1023.5 * 2 ** -24, 0x0400],
    // And what is not quite one does not.
    [1 + 2 ** -11 + 2 ** -23, 0x3c01],
    [2 ** -25 + 2 ** -48, 0x0001],
    [2 ** -262, 0x0000],
  ])('%d is %i', (x, code) => {
    expect(toFloat16(x)).toBe(code)
  })

  test('every finite code is that of its value', () => {
    for (let code = 0; code < 0x7c00; code++) {
      expect(toFloat16(fromFloat16(code))).toBe(code)
      expect(toFloat16(fromFloat16(code | 0x8000))).toBe(code | 0x8000)
    }
    expect([0x7c00, 0xfc00, 0x7c01].map(fromFloat16)).toEqual([Infinity, -Infinity, Number.NaN])
  })

  test('the code is the nearest', () => {
    const property = fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (x) => {
      const code = toFloat16(x)
      const error = Math.abs(fromFloat16(code) - x)
      for (const beside of [code - 1, code + 1]) {
        const other = fromFloat16(beside & 0xffff)
        if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - x))
      }
    })
    fc.assert(property, { numRuns: 2000 })
  })
})

test('integers: ties to even', () => {
  const ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 254.5, 2.5000002, 0.49999997]
  expect(ties.map((x) => roundTiesEven(x) + 0)).toEqual([-2, -2, 0, 0, 2, 2, 126, 254, 3, 0])
})

function encoded(encoding: Encoding, numbers: readonly number[]) {
  const codes = encoding.codes(numbers.length)
  const scale = encoding.encode(Float32Array.from(numbers), codes, 0)
  const decoded = new Float32Array(numbers.length)
  encoding.decode(codes, 0, scale, decoded)
  return { codes: [...codes], scale, decoded: [...decoded] }
}

describe('float16 with a scale', () => {
  const { float16 } = MEAN_ENCODINGS

  test.each([
    [0, 1],
    [1, 2 ** -14],
    [1.9999998807907104, 2 ** -14],
    [-2, 2 ** -13],
    [0.99999994, 2 ** -15],
    [2 ** -112, 2 ** -126],
    [2 ** -113, 2 ** -126],
    [2 ** -149, 2 ** -126],
    [2 ** 127, 2 ** 113],
    [MOST, 2 ** 113],
  ])('of %d is %d', (most, scale) => {
    expect(encoded(float16, [most, 0]).scale).toBe(scale)
  })

  test('keeps the least and the largest numbers', () => {
    expect(encoded(float16, [2 ** -149, -(2 ** -149)])).toMatchObject({
      codes: [0x0002, 0x8002],
      decoded: [2 ** -149, -(2 ** -149)],
    })
    expect(encoded(float16, [2 ** 127, 2 ** -149, -0])).toMatchObject({
      codes: [0x7400, 0, 0x8000],
      decoded: [2 ** 127, 0, -0],
    })
    // Rounded up, the largest float32 is 2^128; an index refuses the row.
    expect(encoded(float16, [MOST]).decoded).toEqual([Infinity])
  })
})

describe('int8 with a scale', () => {
  const { int8 } = MEAN_ENCODINGS
  const uint8 = VARIANCE_ENCODINGS.int8

  test('rounds ties to even', () => {
    expect(encoded(int8, [127, 2.5, 3.5, -0.5, -1.5, 126.5]).codes).toEqual([127, 2, 4, 0, -2, 126])
    expect(encoded(uint8, [255, 2.5, 3.5, 0.5, 254.5]).codes).toEqual([255, 2, 4, 0, 254])
  })

  test('has scales at least 2^-126, and 1 for zeros', () => {
    expect(encoded(int8, [0, -0])).toEqual({ codes: [0, 0], scale: 1, decoded: [0, 0] })
    expect(encoded(int8, [2 ** -149])).toMatchObject({ codes: [0], scale: 2 ** -126 })
    expect(encoded(int8, [-(2 ** -120)])).toMatchObject({ codes: [-64], scale: 2 ** -126 })
    expect(encoded(uint8, [2 ** -119])).toMatchObject({ codes: [128], scale: 2 ** -126 })
    expect(encoded(int8, [127, -127]).scale).toBe(1)
    expect(encoded(uint8, [1]).scale).toBe(Math.fround(1 / 255))
  })
})

const number = fc.oneof(
  fc.float({ noNaN: true, min: -1, max: 1 }),
  fc.float({ noNaN: true, min: Math.fround(-1e38), max: Math.fround(1e38) }),
  fc.constantFrom(0, 2 ** -149, 2 ** -126, -1, 127, 0.5),
)
const numbers = fc.array(number, { minLength: 1, maxLength: 20 })

test.each<[string, Encoding, number]>([
  ['float16', MEAN_ENCODINGS.float16, Number.NaN],
  ['int8', MEAN_ENCODINGS.int8, 127],
  ['uint8', VARIANCE_ENCODINGS.int8, 255],
])('%s: errors are bounded, and encoding what was decoded comes to rest', (name, encoding, steps) => {
  const property = fc.property(numbers, (values) => {
    const row = name === 'uint8' ? values.map(Math.abs) : values
    const first = encoded(encoding, row)
    const most = Math.max(...row.map(Math.abs))
    for (const [d, x] of row.entries()) {
      const error = Math.abs(first.decoded[d]! - x)
      // A step is 2⁻¹⁰ of a normal number, 2⁻²⁴ scales below; for integers it is the scale, which is rounded itself.
      const bound =
        name === 'float16'
          ? Math.max(Math.abs(x) * 2 ** -11, first.scale * 2 ** -25)
          : Math.max((most / steps / 2) * (1 + 2 ** -14), 2 ** -127)
      expect(error).toBeLessThanOrEqual(bound)
    }
    const second = encoded(encoding, first.decoded)
    if (first.decoded.every((x) => x === 0)) return
    const third = encoded(encoding, second.decoded)
    expect(third.codes).toEqual(second.codes)
    if (name === 'float16') {
      // The largest may have been rounded up to a power of two: then the scale doubles once, and the least numbers lose
      // their last place.
      expect(third.decoded).toEqual(second.decoded)
      for (const [d, x] of first.decoded.entries()) {
        expect(Math.abs(second.decoded[d]! - x)).toBeLessThanOrEqual(first.scale * 2 ** -24)
      }
    } else {
      expect(second.codes).toEqual(first.codes)
      expect(Math.abs(second.scale / first.scale - 1)).toBeLessThanOrEqual(2 ** -23)
    }
  })
  fc.assert(property, { numRuns: 1000 })
})

test('the error of the prefilter is a bound of the distance, and no more than one step above it', () => {
  const property = fc.property(numbers, (values) => {
    const mean = Float32Array.from(values)
    const prefilter = makePrefilter(1, mean.length)
    encodePrefilter(prefilter, 0, mean)
    const rest = mean.map((x, d) => x - prefilter.scales[0]! * prefilter.codes[d]!)
    const length = Math.hypot(...rest)
    expect(prefilter.errors[0]).toBeGreaterThanOrEqual(length * (1 - 2 ** -23))
    expect(prefilter.errors[0]).toBeLessThanOrEqual(length * (1 + 2 ** -21) + 2 ** -148)
    expect(isPrefilterOf(prefilter, 0, mean)).toBe(true)
    prefilter.errors[0]! *= 0.5
    expect(isPrefilterOf(prefilter, 0, mean)).toBe(false)
  })
  fc.assert(property, { numRuns: 500 })
})
