// Ensemble.load: members from a directory, from paths or as they are, and how they are mixed.
import { basename } from 'node:path'
import {
  type AnyRule,
  type Calibration,
  type CoefficientRule,
  planCoefficients,
  UNCERTAINTY_SOURCES,
  type UncertaintySource,
} from './coefficients.ts'
import { Encoder } from './encoder.ts'
import { type EncoderOptions, nativeEncoderOptions } from './encoder-options.ts'
import {
  type Alignment,
  type AlignOptions,
  checkAlign,
  fitAlignment,
  restoreAlignment,
  type StoredAlignment,
} from './ensemble-alignment.ts'
import { readEnsemble } from './ensemble-file.ts'
import { fittedTemperature, frozen, type Settings, sourcesOf } from './ensemble-mixing.ts'
import { invalid, UecError } from './errors.ts'
import { boolean, checkOptions, describe, positive, text } from './options.ts'
import { checkSignal, untilAborted } from './signal.ts'
import { type CustomUncertainty, checkCustom } from './uncertainty.ts'

/** `Custom` are the names in `uncertainty`. */
export interface EnsembleOptions<Custom extends string = never> extends AlignOptions {
  /** Default: the stored or learned calibration, else 'softmax-trace'. */
  coefficients?: CoefficientRule | Calibration<UncertaintySource | Custom>
  /** T > 0, or 'auto' (default): the spread of the traces over the calibration texts, else over the fitting texts. */
  temperature?: number | 'auto'
  /** Unit-length mixtures, true. */
  normalize?: boolean
  /** For members that are loaded from paths; `signal` stands beside it, not in it. */
  encoder?: Omit<EncoderOptions, 'signal'>
  /** Uncertainties of your own that `calibrate` may choose; a calibration that did needs them again, under the same names. */
  uncertainty?: readonly CustomUncertainty<Custom>[]
  signal?: AbortSignal
}

const OPTIONS = [
  'coefficients',
  'temperature',
  'normalize',
  'encoder',
  'align',
  'anchors',
  'reference',
  'uncertainty',
  'signal',
] as const

/** What an ensemble is made of, beside its settings. */
export interface Parts {
  members: readonly Encoder[]
  /** Those that it disposes. */
  owned: readonly Encoder[]
  names: readonly string[]
  custom: readonly CustomUncertainty[]
}

/** Checks the options and loads what is not loaded yet; after an error nothing stays loaded. */
export async function loadEnsemble(
  source: string | readonly (string | Encoder)[],
  options: EnsembleOptions<string>,
): Promise<[Parts, Settings]> {
  checkOptions('Ensemble.load', options, OPTIONS)
  const { coefficients, temperature, normalize, encoder = {}, uncertainty = [], signal } = options
  checkSignal(signal)?.throwIfAborted()
  nativeEncoderOptions(encoder)
  if ((encoder as EncoderOptions).signal !== undefined)
    throw invalid('encoder.signal: give signal to Ensemble.load itself')
  const encoderOptions = { ...encoder, normalize: true, ...(signal && { signal }) }
  if (temperature !== undefined && temperature !== 'auto')
    positive("temperature (if not 'auto')", temperature)
  if (normalize !== undefined) boolean('normalize', normalize)
  const custom = checkCustom(uncertainty)
  const given = coefficients === undefined ? undefined : frozen(coefficients)
  const stored =
    typeof source === 'string' ? await untilAborted(signal, readEnsemble(text('source', source))) : undefined
  const sources: unknown = stored
    ? stored.members.map((member) => member.path)
    : Array.isArray(source) && [...source]
  if (!Array.isArray(sources) || sources.length === 0)
    throw invalid(`an ensemble is a directory or an array of at least one encoder, not ${describe(source)}`)
  const rule = given === undefined ? (stored?.coefficients ?? 'softmax-trace') : given
  planCoefficients(rule, 1, new Float32Array(0), sources.length, 0)
  const toAlign = checkAlign(options, sources.length, stored?.alignment !== undefined)
  checkSources(rule, custom)
  const members: Encoder[] = []
  const owned: Encoder[] = []
  try {
    for (const [k, part] of sources.entries()) {
      if (part instanceof Encoder) members.push(part)
      else {
        const loaded = await Encoder.load(text(`member ${k}`, part), encoderOptions)
        owned.push(loaded)
        members.push(loaded)
      }
      signal?.throwIfAborted()
      checkMember(members[k]!, k, stored?.members[k]?.fingerprint)
    }
    const kept = options.align === 'none' ? undefined : stored?.alignment
    const alignment = toAlign
      ? await fitAlignment(members, toAlign, signal)
      : kept && (await restored(kept, members, signal))
    if (!alignment) checkDimensions(members)
    const names = members.map(
      (member, k) => stored?.members[k]?.name ?? basename(Encoder.handle(member).directory),
    )
    const T = temperature ?? stored?.temperature ?? 'auto'
    const settings = {
      coefficients: rule,
      temperature: T === 'auto' ? await fittedTemperature(members, rule, signal) : T,
      normalize: normalize ?? stored?.normalize ?? true,
      alignment,
    }
    return [{ members, owned, names, custom }, settings]
  } catch (error) {
    await Promise.all(owned.map((member) => member.dispose()))
    throw error
  }
}

/** A calibration that looks at a source of the user's own needs that source. */
function checkSources(rule: AnyRule, custom: readonly CustomUncertainty[]): void {
  const known = new Set<string>([...UNCERTAINTY_SOURCES, ...custom.map(({ name }) => name)])
  const missing = sourcesOf(rule).find((name) => !known.has(name))
  if (missing === undefined) return
  throw invalid(
    `the calibration looks at the uncertainty '${missing}', which is not built in: give it in the option uncertainty, as { name: '${missing}', of }`,
  )
}

function checkMember(member: Encoder, k: number, fingerprint: string | undefined): void {
  if (!member.fitted)
    throw new UecError(
      'ERR_NOT_FITTED',
      `member ${k} has no posterior: fit it, and load it with { posterior } or bake it`,
    )
  if (!member.info.normalize)
    throw invalid(`member ${k} was loaded with normalize: false; members of an ensemble are normalised`)
  if (fingerprint !== undefined && member.identity !== fingerprint)
    throw new UecError(
      'ERR_POSTERIOR_MISMATCH',
      `member ${k} is not the encoder that the ensemble was saved with`,
    )
}

function checkDimensions(members: readonly Encoder[]): void {
  const { dimension } = members[0]!
  const other = members.findIndex((member) => member.dimension !== dimension)
  if (other < 0) return
  throw new UecError(
    'ERR_DIMENSION_MISMATCH',
    `member ${other} has dimension ${members[other]!.dimension}, member 0 has ${dimension}: bring them into one space with align: 'procrustes' and anchors (uec ensemble make --align)`,
  )
}

async function restored(
  stored: StoredAlignment,
  members: readonly Encoder[],
  signal: AbortSignal | undefined,
): Promise<Alignment> {
  try {
    return await restoreAlignment(stored, members, signal)
  } catch (cause) {
    if (!(cause instanceof UecError)) throw cause
    throw new UecError('ERR_FILE_CORRUPT', `ensemble.json is damaged: ${cause.message}`, { cause })
  }
}
