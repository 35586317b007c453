// Posterior over an encoder's last linear layer (method §2): curvature H, prior precision λ, variance scale c.
import { invalid } from './errors.ts'
import { call, run } from './job.ts'
import { type Binding, native } from './native.ts'
import { checkOptions, integer, oneOf, positive, text } from './options.ts'
import { abortable, type CallOptions, signalOf } from './signal.ts'

/** λ: a positive number, `'relative'` (median(H)/30) or `'marglik'` (maximises the marginal likelihood). */
export type PriorPrecision = number | 'relative' | 'marglik'

export interface PosteriorChanges {
  priorPrecision?: PriorPrecision
  laplaceTemperature?: number
  scale?: number
}

const secret = Symbol('posterior')

/** A fitted posterior. Immutable; made by `Encoder.fit`, `Posterior.load`, `with` or `merge`. */
export class Posterior {
  readonly #native: Binding.NativePosterior

  /** @internal */
  constructor(token: symbol, handle: Binding.NativePosterior) {
    if (token !== secret) throw invalid('a Posterior is made by Encoder.fit or Posterior.load, not by new')
    this.#native = handle
  }

  /** Reads a posterior file. ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION, or the signal's reason. */
  static async load(file: string, options?: CallOptions): Promise<Posterior> {
    text('file', file)
    const signal = signalOf('Posterior.load', options)
    return wrapPosterior(await run({ signal }, (job) => native().NativePosterior.load(job, file)))
  }

  /**
   * Writes a safetensors file (docs/posterior-format.md), atomically. Aborted while it writes, the file is the old one or, a moment later,
   * the new one, and always whole. ERR_FILE_WRITE, or the signal's reason.
   */
  async save(file: string, options?: CallOptions): Promise<void> {
    text('file', file)
    const signal = signalOf('Posterior.save', options)
    await abortable(signal, () => run({ signal }, (job) => this.#native.save(job, file)))
  }

  /** D, the dimension of the embedding. */
  get dimension(): number {
    return this.#native.dimension
  }
  /** I, the width of the last linear layer's input. */
  get features(): number {
    return this.#native.features
  }
  /** Pairs that it was fitted on. */
  get pairs(): number {
    return this.#native.pairs
  }
  /** Mean InfoNCE loss of a pair. */
  get loss(): number {
    return this.#native.loss
  }
  /** λ > 0. */
  get priorPrecision(): number {
    return this.#native.priorPrecision
  }
  get logMarginalLikelihood(): number {
    return this.#native.logMarginalLikelihood
  }
  /** γ_eff, between 0 and D·I. */
  get effectiveParameters(): number {
    return this.#native.effectiveParameters
  }
  /** c, the factor that every variance is multiplied by. */
  get scale(): number {
    return this.#native.scale
  }
  /** Share of the pairs whose positive wins; above 0.99 the pairs are too easy. */
  get accuracy(): number {
    return this.#native.accuracy
  }
  /** What a user should know before trusting the variances; empty when all is well. */
  get warnings(): readonly string[] {
    return this.#native.warnings
  }
  /** SHA-256 of the encoder that it belongs to. */
  get fingerprint(): string {
    return this.#native.fingerprint
  }

  /** Another λ, Laplace temperature or scale, from the stored curvature; no encoder needed. */
  with(changes: PosteriorChanges): Posterior {
    checkOptions('Posterior.with', changes, ['priorPrecision', 'laplaceTemperature', 'scale'])
    const { priorPrecision, ...rest } = changes ?? {}
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) positive(name, value)
    return wrapPosterior(call(() => this.#native.with({ ...rest, ...nativePrior(priorPrecision) })))
  }

  /**
   * Keeps the first `dimension` dimensions (Matryoshka): their rows of the curvature as fitted, λ and a scale that is not a number chosen
   * anew. An encoder with that option `dimensions` takes it. ERR_INVALID_ARGUMENT unless 1 ≤ dimension ≤ `this.dimension`.
   */
  truncate(dimension: number): Posterior {
    integer('dimension', dimension, 1, this.dimension)
    return wrapPosterior(call(() => this.#native.truncate(dimension)))
  }

  /** Curvature is a sum over samples: fits of shards cut at multiples of batchSize add up. */
  static merge(parts: readonly Posterior[]): Posterior {
    if (!Array.isArray(parts) || parts.length === 0 || !parts.every((part) => part instanceof Posterior))
      throw invalid('Posterior.merge takes an array of at least one Posterior')
    return wrapPosterior(call(() => native().NativePosterior.merge(parts.map((part) => part.#native))))
  }

  /** @internal */
  static handle(posterior: Posterior): Binding.NativePosterior {
    return posterior.#native
  }
}

/** @internal */
export function wrapPosterior(handle: Binding.NativePosterior): Posterior {
  return new Posterior(secret, handle)
}

/** The native form of λ: a number or a rule. @internal */
export function nativePrior(prior: PriorPrecision | undefined): {
  priorPrecision?: number
  priorRule?: string
} {
  if (prior === undefined) return {}
  if (typeof prior === 'number') return { priorPrecision: positive('priorPrecision', prior) }
  return { priorRule: oneOf('priorPrecision (if not a number)', prior, ['relative', 'marglik']) }
}
