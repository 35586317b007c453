// Per-text uncertainties u_kj of each encoder, from which calibrated coefficients are computed (method §4).
import type { UncertaintySource } from './coefficients.ts'
import type { EncoderBatch } from './encoder-batch.ts'

function values(batch: EncoderBatch, source: UncertaintySource): ArrayLike<number> {
  if (source === 'trace') return batch.traces()
  if (source === 'inverse-norm') return batch.norms.map((norm) => 1 / (norm * norm))
  return batch.tokensPerWord
}

/** What an invalid text counts as: the upper end of the range that u is clamped to. */
const UNKNOWN = 1e6

/** n×K×J: row i holds, for each of K members, its J sources. */
export function uncertainties(
  members: readonly EncoderBatch[],
  sources: readonly UncertaintySource[],
): Float32Array {
  const [K, J] = [members.length, sources.length]
  const u = new Float32Array((members[0]?.length ?? 0) * K * J)
  for (const [k, batch] of members.entries()) {
    for (const [j, source] of sources.entries()) {
      const of = values(batch, source)
      for (let i = 0; i < batch.length; i++) u[(i * K + k) * J + j] = batch.valid[i] ? of[i]! : UNKNOWN
    }
  }
  return u
}
