/** IEEE 754 binary16: 1 sign bit, 5 exponent bits, 10 of the fraction. */

/** Smallest normal number, 2⁻¹⁴, in the bits of binary32. */
const NORMAL = (127 - 14) << 23
/** One over the spacing of the numbers below that. */
const DENORMAL_STEPS = 2 ** 24
/** From the exponent's bias of binary32 to that of binary16, in the bits of binary32. */
const REBIAS = (127 - 15) << 23

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The code nearest to x, ties to even. |x| < 65520, and a float32 where |x| ≥ 2⁻¹⁴. */
export function toFloat16(x: number): number {
  float[0] = x
  const sign = (bits[0]! >>> 16) & 0x8000
  const magnitude = bits[0]! & 0x7fffffff
  if (magnitude < NORMAL) return sign | roundTiesEven(Math.abs(x) * DENORMAL_STEPS)
  const rebiased = magnitude - REBIAS
  // A carry out of the fraction is the next exponent.
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13)
}

/** The value of a code. */
export function fromFloat16(code: number): number {
  const sign = code & 0x8000 ? -1 : 1
  const exponent = (code >>> 10) & 31
  const fraction = code & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  if (exponent === 0) return sign * (fraction / DENORMAL_STEPS)
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Adding and taking away 1.5·2⁵² leaves no room for a fraction: the nearest integer of |x| < 2⁵¹, ties to even. */
const NO_FRACTION = 1.5 * 2 ** 52

export function roundTiesEven(x: number): number {
  return x + NO_FRACTION - NO_FRACTION
}
