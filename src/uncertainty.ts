// Per-text uncertainties u_kj of each encoder, from which calibrated coefficients are computed (method §4).
import type { UncertaintySource } from './coefficients.ts'

/** What one encoder saw of n texts, as far as uncertainties need it. An EncoderBatch is one. */
export interface SeenTexts {
  readonly length: number
  traces(): ArrayLike<number>
  /** ‖z‖, n. */
  readonly norms: ArrayLike<number>
  /** n. */
  readonly tokensPerWord: ArrayLike<number>
  /** n; all valid where it is missing. */
  readonly valid?: ArrayLike<number>
}

function values(seen: SeenTexts, source: UncertaintySource): ArrayLike<number> {
  if (source === 'trace') return seen.traces()
  if (source === 'inverse-norm') return Float64Array.from(seen.norms, (norm) => 1 / (norm * norm))
  return seen.tokensPerWord
}

/** What an invalid text counts as: the upper end of the range that u is clamped to. */
const UNKNOWN = 1e6

/** n×K×J, as `convolve` takes it with a Calibration: row i holds, for each of K members, its J sources. */
export function uncertainties(
  members: readonly SeenTexts[],
  sources: readonly UncertaintySource[],
): Float32Array {
  const [K, J] = [members.length, sources.length]
  const u = new Float32Array((members[0]?.length ?? 0) * K * J)
  for (const [k, seen] of members.entries()) {
    for (const [j, source] of sources.entries()) {
      const of = values(seen, source)
      for (let i = 0; i < seen.length; i++) u[(i * K + k) * J + j] = seen.valid?.[i] === 0 ? UNKNOWN : of[i]!
    }
  }
  return u
}
