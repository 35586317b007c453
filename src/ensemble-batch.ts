// The mixture of what several encoders saw of some texts.
import { GaussianBatch, TrustedGaussians } from './gaussian-batch.ts'

/** Mixed Gaussians of n texts with how they were mixed. */
export class EnsembleBatch extends GaussianBatch {
  /** n×K, each row summing to 1; all zero where no encoder could embed the text. */
  readonly coefficients: Float32Array
  /** 1 − ‖Σ_k π_k μ_k‖² of each text: how far the encoders point apart. Length n. */
  readonly disagreement: Float32Array
  /** 0 where no encoder could embed the text: mean and variance are 0. Length n. */
  readonly valid: Uint8Array

  /** @internal */
  constructor(
    mixed: { mean: Float32Array; variance: Float32Array },
    dimension: number,
    parts: { coefficients: Float32Array; disagreement: Float32Array; valid: Uint8Array; fingerprint: string },
  ) {
    super(new TrustedGaussians(mixed.mean, mixed.variance, dimension, parts.fingerprint))
    this.coefficients = parts.coefficients
    this.disagreement = parts.disagreement
    this.valid = parts.valid
  }
}
