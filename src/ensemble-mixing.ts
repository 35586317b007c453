// How an ensemble mixes: its settings, its temperature, and the mixture of what its members saw (method §4, §5).
import type { Mixture } from './backend.ts'
import { type CoefficientRule, planCoefficients } from './coefficients.ts'
import { Encoder } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { settle } from './gaussian-batch.ts'
import { call, run } from './job.ts'
import { native } from './native.ts'
import { nativeBackend } from './native-backend.ts'
import { uncertainties } from './uncertainty.ts'

/** How members are mixed; never changed, only replaced. */
export interface Settings {
  readonly coefficients: CoefficientRule
  readonly temperature: number
  readonly normalize: boolean
}

/** A copy of a rule that nobody can change: the ensemble's fingerprint speaks for it. */
export function frozen<Rule extends CoefficientRule>(rule: Rule): Rule {
  if (typeof rule !== 'object' || rule === null) return rule
  if (Array.isArray(rule)) return Object.freeze(rule.slice()) as unknown as Rule
  const parts = Object.entries(rule).map(([name, part]) => [
    name,
    Array.isArray(part) ? Object.freeze(part.slice()) : part,
  ])
  return Object.freeze(Object.fromEntries(parts))
}

/** T 'auto' without calibration texts: from the moments over the fitting texts that each posterior keeps. */
export async function fittedTemperature(
  members: readonly Encoder[],
  rule: CoefficientRule,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (rule !== 'softmax-trace' && rule !== 'softmax-precision') return 1
  const moments = await Promise.all(
    members.map((member) =>
      run({ signal }, (job) => {
        const handle = Encoder.handle(member)
        return rule === 'softmax-trace' ? handle.traceMoments(job) : handle.precisionMoments(job)
      }),
    ),
  )
  return call(() => native().temperatureFromMoments(moments))
}

/** T 'auto' from what the members saw of calibration texts: the spread of what the rule's exponent is made of. */
export function observedTemperature(batches: readonly EncoderBatch[], rule: CoefficientRule): number {
  const quantity = rule === 'softmax-precision' ? precisions : (batch: EncoderBatch) => batch.traces()
  const values = batches.map((batch) =>
    quantity(batch).filter((value, i) => batch.valid[i] === 1 && Number.isFinite(value)),
  )
  return call(() => native().autoTemperature(values))
}

/** Σ_d 1/v_d of each row. */
function precisions(batch: EncoderBatch): Float64Array {
  return Float64Array.from(batch, ({ variance }) => variance.reduce((sum, v) => sum + 1 / v, 0))
}

/** What of the settings changes a mixture, in one fixed form. */
export function essence({ coefficients: rule, temperature, normalize }: Settings): unknown[] {
  const named = typeof rule === 'string'
  const softmax = named && rule.startsWith('softmax')
  const essential = named
    ? [rule]
    : 'sources' in rule
      ? ['calibrated', rule.sources, rule.bias, rule.power]
      : 'power' in rule
        ? ['power', rule.power]
        : ['fixed', rule]
  return [...essential, softmax ? temperature : null, normalize]
}

/** The mixture of what the members saw, by the settings. */
export async function mix(
  members: readonly EncoderBatch[],
  settings: Settings,
  signal: AbortSignal | undefined,
) {
  const rule = settings.coefficients
  const u = typeof rule === 'object' && 'sources' in rule ? uncertainties(members, rule.sources) : undefined
  const plan = planCoefficients(rule, settings.temperature, u, members.length, members[0]!.length)
  const mixture: Mixture = await nativeBackend().convolve(members, plan, settings.normalize, signal)
  const disagreement = Float32Array.from(mixture.squaredNorms, (norm2, i) =>
    mixture.valid[i] ? Math.max(0, 1 - norm2) : 0,
  )
  const mixed = { mean: await settle(mixture.mean), variance: await settle(mixture.variance) }
  return { mixed, coefficients: mixture.coefficients, disagreement, valid: mixture.valid }
}
