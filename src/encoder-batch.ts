// What one encoder saw of some texts, beside their Gaussians.
import { GaussianBatch, TrustedGaussians } from './gaussian-batch.ts'

/** The native result of an embed call. @internal */
export interface Embedded {
  mean: Float32Array
  variance: Float32Array
  norms: Float32Array
  tokens: Uint32Array
  tokensPerWord: Float32Array
  truncated: Uint8Array
  valid: Uint8Array
}

/** Gaussians of n texts and what the encoder saw of each; length n each. */
export class EncoderBatch extends GaussianBatch {
  /** ‖z‖ before normalisation. */
  readonly norms: Float32Array
  /** Tokens fed, special ones not counted. */
  readonly tokens: Uint32Array
  /** (tokens + 4·unknown tokens) / max(1, words of UAX #29). */
  readonly tokensPerWord: Float32Array
  /** 1 where the text was cut at maxTokens. */
  readonly truncated: Uint8Array
  /** 0 where nothing could be embedded (no tokens at all, ‖z‖ = 0): mean and variance are 0. An empty text is its special tokens, and valid. */
  readonly valid: Uint8Array

  /** @internal */
  constructor(data: Embedded, dimension: number, identity: string) {
    super(new TrustedGaussians(data.mean, data.variance, dimension, identity))
    this.norms = data.norms
    this.tokens = data.tokens
    this.tokensPerWord = data.tokensPerWord
    this.truncated = data.truncated
    this.valid = data.valid
  }
}
