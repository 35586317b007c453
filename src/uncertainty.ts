// Per-text uncertainties u_kj of each encoder, from which calibrated coefficients are computed (method §4).
import { UNCERTAINTY_SOURCES } from './coefficients.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { invalid } from './errors.ts'
import { checkOptions, describe, text } from './options.ts'
import { untilAborted } from './signal.ts'

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

/** An uncertainty of the caller's own, which calibrations may choose beside the built-in ones. */
export interface CustomUncertainty<Name extends string = string> {
  /** Any that no built-in source has. A saved calibration knows it by this name. */
  readonly name: Name
  /**
   * How uncertain member `member` is about each text: n numbers > 0, in any unit (their logarithm counts; below 1e-6 and above 1e6 they are
   * clamped). It must depend on the text and the member alone, not on the other texts. Numbers of texts that the member could not embed
   * (`batch.valid` 0) are not read. `texts` are without prompt. What it throws rejects the call.
   */
  of(
    texts: readonly string[],
    member: number,
    batch: EncoderBatch,
  ): ArrayLike<number> | PromiseLike<ArrayLike<number>>
}

/** The caller's own numbers: by name, one array per member. */
type OwnNumbers = ReadonlyMap<string, readonly ArrayLike<number>[]>

function values(seen: SeenTexts, source: string): ArrayLike<number> {
  if (source === 'trace') return seen.traces()
  if (source === 'inverse-norm') return Float64Array.from(seen.norms, (norm) => 1 / (norm * norm))
  if (source === 'tokens-per-word') return seen.tokensPerWord
  throw invalid(`'${source}' is none of ${UNCERTAINTY_SOURCES.join(', ')}`)
}

/** What an invalid text counts as: the upper end of the range that u is clamped to. */
const UNKNOWN = 1e6

/**
 * n×K×J, as `convolve` takes it with a Calibration: row i holds, for each of K members, its J sources. `own` holds the numbers of sources
 * that are not built in.
 */
export function uncertainties(
  members: readonly SeenTexts[],
  sources: readonly string[],
  own: OwnNumbers = new Map(),
): Float32Array {
  const [K, J] = [members.length, sources.length]
  const u = new Float32Array((members[0]?.length ?? 0) * K * J)
  for (const [k, seen] of members.entries()) {
    for (const [j, source] of sources.entries()) {
      const of = own.get(source)?.[k] ?? values(seen, source)
      for (let i = 0; i < seen.length; i++) u[(i * K + k) * J + j] = seen.valid?.[i] === 0 ? UNKNOWN : of[i]!
    }
  }
  return u
}

/** Checks and copies the caller's own sources. */
export function checkCustom(custom: unknown): readonly CustomUncertainty[] {
  if (!Array.isArray(custom)) throw invalid(`uncertainty must be an array, not ${describe(custom)}`)
  const names = new Set<string>(UNCERTAINTY_SOURCES)
  return custom.map((source: CustomUncertainty, j) => {
    if (typeof source !== 'object' || source === null)
      throw invalid(`uncertainty[${j}] must be { name, of }, not ${describe(source)}`)
    checkOptions(`uncertainty[${j}]`, source, ['name', 'of'])
    const { name } = source
    text(`uncertainty[${j}].name`, name)
    if (names.has(name)) throw invalid(`uncertainty[${j}].name: there is a source '${name}' already`)
    names.add(name)
    if (typeof source.of !== 'function')
      throw invalid(`uncertainty[${j}].of must be a function, not ${describe(source.of)}`)
    return Object.freeze({ name, of: source.of.bind(source) })
  })
}

/** Asks the caller's own sources among `sources` about some texts. */
export async function ownNumbers(
  custom: readonly CustomUncertainty[],
  sources: readonly string[],
  texts: readonly string[],
  batches: readonly EncoderBatch[],
  signal: AbortSignal | undefined,
): Promise<OwnNumbers> {
  const numbers = new Map<string, ArrayLike<number>[]>()
  for (const { name, of } of custom) {
    if (!sources.includes(name)) continue
    const found: ArrayLike<number>[] = []
    for (const [k, batch] of batches.entries()) {
      signal?.throwIfAborted()
      if (texts.length === 0) {
        found.push([])
        continue
      }
      const answer = await untilAborted(signal, (async () => of(texts, k, batch))())
      found.push(checkNumbers(answer, `the uncertainty '${name}' of member ${k}`, batch))
    }
    numbers.set(name, found)
  }
  return numbers
}

function checkNumbers(answer: ArrayLike<number>, what: string, batch: EncoderBatch): ArrayLike<number> {
  if (typeof answer !== 'object' || answer === null || answer.length !== batch.length) {
    const got = typeof answer === 'object' && answer !== null ? `${answer.length} numbers` : describe(answer)
    throw invalid(`${what} must be ${batch.length} numbers, one for each text, not ${got}`)
  }
  for (let i = 0; i < batch.length; i++) {
    const u: unknown = answer[i]
    if (batch.valid[i] === 1 && !(typeof u === 'number' && u > 0 && u < Infinity))
      throw invalid(`${what}: text ${i} has ${describe(u)}, it must be a finite number > 0`)
  }
  return Float64Array.from(answer)
}
