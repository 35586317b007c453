/** How much each member of a mixture counts, per text (method §4). */

import { invalid } from './errors.ts'
import { checkOptions, describe, finite, nonNegative, oneOf, positive, text } from './options.ts'

/** Per-text uncertainties of an encoder: total variance, 1/‖z‖², tokens per word. */
export const UNCERTAINTY_SOURCES = ['trace', 'inverse-norm', 'tokens-per-word'] as const

export type UncertaintySource = (typeof UNCERTAINTY_SOURCES)[number]

/** Learned log-linear coefficients: π_k = softmax_k(a_k − Σ_j p_j log u_kj). Plain data. `Source` names sources of the caller's own, too. */
export interface Calibration<Source extends string = UncertaintySource> {
  /** J names, the order of the columns of `power` and of `uncertainties`. */
  sources: readonly Source[]
  /** a, length K. */
  bias: readonly number[]
  /** p, length J, ≥ 0. */
  power: readonly number[]
  /** Held-out loss of the calibration. */
  loss: number
  /** Number of pairs it was learned from. */
  pairs: number
}

/**
 * A named rule, a power p of the trace, K fixed weights, or a {@link Calibration}. Members of an invalid row (mean and
 * variance all zero) get 0 and the others are renormalised. Members of zero variance share everything among
 * themselves under 'inverse-variance', 'softmax-precision' and `{ power }`.
 */
export type CoefficientRule = (typeof RULES)[number] | { power: number } | readonly number[] | Calibration

/** A rule whose calibration may look at sources of the caller's own. */
export type AnyRule = CoefficientRule | Calibration<string>

const RULES = ['softmax-trace', 'inverse-variance', 'softmax-precision', 'uniform'] as const

/** @internal A checked rule as flat data; fields that the rule does not use are empty or 1. */
export interface CoefficientPlan {
  rule: (typeof RULES)[number] | 'power' | 'fixed' | 'calibrated'
  /** T of the softmax rules, > 0. */
  temperature: number
  /** p of 'power', > 0. */
  power: number
  /** 'fixed': K weights ≥ 0; 'calibrated': the bias, K. */
  weights: Float64Array
  /** 'calibrated': J. */
  powers: Float64Array
  /** 'calibrated': J. */
  sources: readonly string[]
  /** 'calibrated': n×K×J, or absent where the only source is the trace. */
  uncertainties?: Float32Array
}

/** @internal Checks a rule for K members of n rows. */
export function planCoefficients(
  rule: AnyRule,
  temperature: number,
  uncertainties: Float32Array | undefined,
  members: number,
  rows: number,
): CoefficientPlan {
  const none = new Float64Array(0)
  const plan: CoefficientPlan = {
    rule: 'uniform',
    temperature: positive('temperature', temperature),
    power: 1,
    weights: none,
    powers: none,
    sources: [],
  }
  if (typeof rule === 'string') return { ...plan, rule: oneOf('coefficients', rule, RULES) }
  if (Array.isArray(rule)) return { ...plan, rule: 'fixed', weights: fixedWeights(rule, members) }
  if (typeof rule !== 'object' || rule === null) {
    throw invalid(`coefficients must be a rule (${RULES.join(', ')}), { power }, weights or a Calibration`)
  }
  if (!('sources' in rule)) {
    checkOptions('coefficients', rule, ['power', 'sources', 'bias'])
    return {
      ...plan,
      rule: 'power',
      power: positive('coefficients.power', (rule as { power: unknown }).power),
    }
  }
  const calibration = rule as Calibration<string>
  checkCalibration(calibration, members)
  checkUncertainties(uncertainties, calibration, members, rows)
  return {
    ...plan,
    rule: 'calibrated',
    weights: Float64Array.from(calibration.bias),
    powers: Float64Array.from(calibration.power),
    sources: calibration.sources,
    ...(uncertainties && { uncertainties }),
  }
}

function fixedWeights(weights: readonly number[], members: number): Float64Array {
  if (weights.length !== members) {
    throw invalid(`coefficients: ${weights.length} weights for ${members} members; give one for each`)
  }
  for (const [k, weight] of weights.entries()) nonNegative(`coefficients[${k}]`, weight)
  if (!weights.some((weight) => weight > 0)) throw invalid('coefficients: at least one weight must be > 0')
  return Float64Array.from(weights)
}

function checkCalibration(calibration: Calibration<string>, members: number): void {
  checkOptions('Calibration', calibration, ['sources', 'bias', 'power', 'loss', 'pairs'])
  const { sources, bias, power } = calibration
  if (!Array.isArray(sources) || !Array.isArray(bias) || !Array.isArray(power)) {
    throw invalid('a Calibration holds three arrays: sources, bias and power')
  }
  for (const [j, source] of sources.entries()) {
    text(`Calibration.sources[${j}]`, source)
    nonNegative(`Calibration.power[${j}]`, power[j])
  }
  for (const [k, a] of bias.entries()) finite(`Calibration.bias[${k}]`, a)
  if (bias.length !== members || power.length !== sources.length) {
    throw invalid(
      `this Calibration is for ${bias.length} members and ${power.length} powers, but there are ${members} members and ${sources.length} sources`,
    )
  }
}

function checkUncertainties(
  uncertainties: unknown,
  { sources }: Calibration<string>,
  members: number,
  rows: number,
): void {
  if (uncertainties === undefined) {
    const missing = sources.find((source) => source !== 'trace')
    if (missing === undefined) return
    throw invalid(
      `coefficients need '${missing}', which the Gaussians do not hold: pass uncertainties, n×K×J for [${sources.join(', ')}]`,
    )
  }
  if (!(uncertainties instanceof Float32Array)) {
    throw invalid(`uncertainties must be a Float32Array, not ${describe(uncertainties)}`)
  }
  const cells = rows * members * sources.length
  if (uncertainties.length !== cells) {
    throw invalid(
      `uncertainties has ${uncertainties.length} numbers, expected ${rows} rows × ${members} members × ${sources.length} sources = ${cells}`,
    )
  }
  const wrong = uncertainties.findIndex((u) => !(u >= 0))
  if (wrong >= 0) throw invalid(`uncertainties[${wrong}] is ${uncertainties[wrong]}: it must be >= 0`)
}
