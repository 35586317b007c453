// How an ensemble mixes: its settings, its temperature, and the mixture of what its members saw (method §4, §5).
import { createHash } from 'node:crypto'
import { type AnyRule, planCoefficients } from './coefficients.ts'
import { Encoder } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import type { Alignment } from './ensemble-alignment.ts'
import { settle } from './gaussian-batch.ts'
import { call, run } from './job.ts'
import { native } from './native.ts'
import { convolveNative } from './native-backend.ts'
import { type CustomUncertainty, ownNumbers, uncertainties } from './uncertainty.ts'

/** How members are mixed; never changed, only replaced. */
export interface Settings {
  readonly coefficients: AnyRule
  readonly temperature: number
  readonly normalize: boolean
  readonly alignment?: Alignment | undefined
}

/** A copy of a rule that nobody can change: the ensemble's fingerprint speaks for it. */
export function frozen<Rule extends AnyRule>(rule: Rule): Rule {
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
  rule: AnyRule,
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
export function observedTemperature(batches: readonly EncoderBatch[], rule: AnyRule): number {
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

/** SHA-256 over the members' identities and how they are mixed. */
export function fingerprintOf(members: readonly string[], settings: Essential): string {
  return createHash('sha256')
    .update(JSON.stringify([members, essence(settings)]))
    .digest('hex')
}

/** As much of the settings as a fingerprint needs. */
type Essential = Omit<Settings, 'alignment'> & {
  readonly alignment?: { readonly digest: string } | undefined
}

/** What of the settings changes a mixture, in one fixed form. */
function essence({ coefficients: rule, temperature, normalize, alignment }: Essential): unknown[] {
  const named = typeof rule === 'string'
  const softmax = named && rule.startsWith('softmax')
  const essential = named
    ? [rule]
    : 'sources' in rule
      ? ['calibrated', rule.sources, rule.bias, rule.power]
      : 'power' in rule
        ? ['power', rule.power]
        : ['fixed', rule]
  return [...essential, softmax ? temperature : null, normalize, ...(alignment ? [alignment.digest] : [])]
}

/** The names of the sources that a rule looks at. */
export function sourcesOf(rule: AnyRule): readonly string[] {
  return typeof rule === 'object' && 'sources' in rule ? rule.sources : []
}

/** The mixture of what the members saw of some texts, by the settings. Coefficients come from the variances before any alignment. */
export async function mix(
  texts: readonly string[],
  members: readonly EncoderBatch[],
  settings: Settings,
  custom: readonly CustomUncertainty[],
  signal: AbortSignal | undefined,
) {
  const rule = settings.coefficients
  const sources = sourcesOf(rule)
  const own = await ownNumbers(custom, sources, texts, members, signal)
  const u = sources.length > 0 ? uncertainties(members, sources, own) : undefined
  const plan = planCoefficients(rule, settings.temperature, u, members.length, members[0]!.length)
  const maps = settings.alignment?.maps
  const mixture = await convolveNative(members, plan, settings.normalize, signal, maps)
  const disagreement = Float32Array.from(mixture.squaredNorms, (norm2, i) =>
    mixture.valid[i] ? Math.max(0, 1 - norm2) : 0,
  )
  const mixed = { mean: await settle(mixture.mean), variance: await settle(mixture.variance) }
  return { mixed, coefficients: mixture.coefficients, disagreement, valid: mixture.valid }
}
