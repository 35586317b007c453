/** Gaussian convolution: several Gaussians of one text → their mixture (method §5), over a backend. */

import type { Backend } from './backend.ts'
import { type CoefficientRule, planCoefficients } from './coefficients.ts'
import { invalid } from './errors.ts'
import { checkBatch, GaussianBatch, settle, TrustedGaussians } from './gaussian-batch.ts'
import { boolean, checkOptions, describe } from './options.ts'
import { abortable, checkSignal } from './signal.ts'

export interface ConvolveOptions {
  /** Default 'softmax-trace'. */
  coefficients?: CoefficientRule
  /** T of the softmax rules, > 0, default 1. */
  temperature?: number
  /** n×K×J, for a Calibration with sources other than 'trace'. */
  uncertainties?: Float32Array
  /** Carries mean and variance through μ/‖μ‖ (method §3), default true. */
  normalize?: boolean
  signal?: AbortSignal
}

export interface Convolved {
  /** n Gaussians; mean and variance are 0 where no member is valid or the means cancel. */
  gaussians: GaussianBatch
  /** n×K; each row sums to 1, or to 0 where no member is valid. */
  coefficients: Float32Array
}

/**
 * K batches of n Gaussians → n Gaussians and their n×K coefficients.
 * Rejects with ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH or the signal's reason.
 */
export type Convolve = (members: readonly GaussianBatch[], options?: ConvolveOptions) => Promise<Convolved>

/** @internal The public function over one backend. */
export function createConvolve(backend: Backend): Convolve {
  return async (members, options = {}) => {
    checkOptions('convolve', options, ['coefficients', 'temperature', 'uncertainties', 'normalize', 'signal'])
    const {
      coefficients = 'softmax-trace',
      temperature = 1,
      uncertainties,
      normalize = true,
      signal,
    } = options
    checkSignal(signal)
    boolean('normalize', normalize)
    const { length, dimension } = checkMembers(members)
    const plan = planCoefficients(coefficients, temperature, uncertainties, members.length, length)
    const own = [...members]
    const mixture = await abortable(signal, () => backend.convolve(own, plan, normalize, signal))
    const [mean, variance] = [await settle(mixture.mean), await settle(mixture.variance)]
    const gaussians = new GaussianBatch(new TrustedGaussians(mean, variance, dimension))
    return { gaussians, coefficients: mixture.coefficients }
  }
}

function checkMembers(members: readonly GaussianBatch[]): GaussianBatch {
  if (!Array.isArray(members) || members.length === 0) {
    throw invalid(`members must be an array of at least one GaussianBatch, not ${describe(members)}`)
  }
  const first = checkBatch('members[0]', members[0])
  for (const [k, member] of members.entries()) {
    if (checkBatch(`members[${k}]`, member, first.dimension).length === first.length) continue
    throw invalid(
      `members[${k}] has ${member.length} rows, members[0] has ${first.length}: each needs a row for every text`,
    )
  }
  return first
}
