// Several Gaussian encoders mixed per text by how certain each is about it (method §4, §5).
import { createHash } from 'node:crypto'
import type { Mixture } from './backend.ts'
import {
  type Calibration,
  type CoefficientRule,
  planCoefficients,
  UNCERTAINTY_SOURCES,
  type UncertaintySource,
} from './coefficients.ts'
import { checkTexts, type EmbedOptions, Encoder, type EncoderOptions } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { EnsembleBatch } from './ensemble-batch.ts'
import { readEnsemble, writeEnsemble } from './ensemble-file.ts'
import { invalid, UecError } from './errors.ts'
import { checkPair, type Pair } from './fit.ts'
import { call, run } from './job.ts'
import { native } from './native.ts'
import { nativeBackend } from './native-backend.ts'
import { boolean, checkOptions, describe, oneOf, positive, text } from './options.ts'
import { checkSignal } from './signal.ts'
import { uncertainties } from './uncertainty.ts'

export interface EnsembleOptions {
  /** Default: the stored or learned calibration, else 'softmax-trace'. */
  coefficients?: CoefficientRule
  /** T > 0, or 'auto' (default): the spread of the traces over the calibration texts, else over the fitting texts. */
  temperature?: number | 'auto'
  /** Unit-length mixtures, true. */
  normalize?: boolean
  /** For members that are loaded from paths. */
  encoder?: EncoderOptions
  /** Members of other spaces: this version mixes encoders of one space. */
  align?: 'none' | 'procrustes'
}

interface Settings {
  coefficients: CoefficientRule
  temperature: number
  normalize: boolean
}

const secret = Symbol('ensemble')

export class Ensemble implements AsyncDisposable {
  readonly members: readonly Encoder[]
  readonly dimension: number
  readonly #owned: readonly Encoder[]
  #settings: Settings
  #disposed: Promise<void> | undefined

  /** @internal */
  constructor(token: symbol, members: readonly Encoder[], owned: readonly Encoder[], settings: Settings) {
    if (token !== secret) throw invalid('an Ensemble is made by Ensemble.load, not by new')
    this.members = Object.freeze([...members])
    this.dimension = members[0]!.dimension
    this.#owned = owned
    this.#settings = settings
  }

  /**
   * A directory with ensemble.json, or member encoders (paths or loaded). The ensemble disposes the encoders that it loaded from paths,
   * not those handed in. ERR_NOT_FITTED for a member without variances, ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH.
   */
  static async load(
    source: string | readonly (string | Encoder)[],
    options: EnsembleOptions = {},
  ): Promise<Ensemble> {
    checkOptions('Ensemble.load', options, ['coefficients', 'temperature', 'normalize', 'encoder', 'align'])
    const { coefficients, temperature, normalize, encoder = {}, align } = options
    if (align !== undefined && oneOf('align', align, ['none', 'procrustes']) !== 'none')
      throw invalid("align: this version mixes encoders of one space; leave it out or give 'none'")
    if (temperature !== undefined && temperature !== 'auto')
      positive("temperature (if not 'auto')", temperature)
    if (normalize !== undefined) boolean('normalize', normalize)
    const stored = typeof source === 'string' ? await readEnsemble(text('source', source)) : undefined
    const parts: readonly unknown[] = stored
      ? stored.members.map((member) => member.path)
      : (source as readonly unknown[])
    if (!Array.isArray(parts) || parts.length === 0)
      throw invalid(`an ensemble is a directory or an array of at least one encoder, not ${describe(source)}`)
    const members: Encoder[] = []
    const owned: Encoder[] = []
    try {
      for (const [k, part] of parts.entries()) {
        if (part instanceof Encoder) members.push(part)
        else {
          const loaded = await Encoder.load(text(`member ${k}`, part), { ...encoder, normalize: true })
          owned.push(loaded)
          members.push(loaded)
        }
        checkMember(members, k, stored?.members[k]?.fingerprint)
      }
      const rule = coefficients ?? stored?.coefficients ?? 'softmax-trace'
      planCoefficients(rule, 1, new Float32Array(0), members.length, 0)
      const T = temperature ?? stored?.temperature ?? 'auto'
      return new Ensemble(secret, members, owned, {
        coefficients: rule,
        temperature: T === 'auto' ? await fittedTemperature(members, rule) : T,
        normalize: normalize ?? stored?.normalize ?? true,
      })
    } catch (error) {
      await Promise.all(owned.map((member) => member.dispose()))
      throw error
    }
  }

  /** T of the softmax rules. */
  get temperature(): number {
    return this.#settings.temperature
  }

  /** How members are weighted: a rule, or the calibration learned. */
  get coefficients(): CoefficientRule {
    return this.#settings.coefficients
  }

  /** SHA-256 over the members with their posteriors and how they are mixed: rows of different fingerprints do not compare. */
  get fingerprint(): string {
    const identity = [this.members.map((member) => Encoder.handle(member).identity), this.#settings]
    return createHash('sha256').update(JSON.stringify(identity)).digest('hex')
  }

  /**
   * From texts: T. From pairs: also learned coefficients, choosing the sources by cross-validated loss (method §4). Takes effect for later
   * embeds, all or nothing.
   */
  async calibrate(
    data: { texts?: readonly string[]; pairs?: readonly Pair[] },
    options: { sources?: readonly UncertaintySource[]; signal?: AbortSignal } = {},
  ): Promise<Calibration | undefined> {
    checkOptions('calibrate (data)', data, ['texts', 'pairs'])
    checkOptions('calibrate', options, ['sources', 'signal'])
    const { texts = [], pairs = [] } = data
    const { sources = UNCERTAINTY_SOURCES, signal } = options
    checkSignal(signal)
    checkTexts(texts)
    if (!Array.isArray(pairs))
      throw invalid(`pairs must be an array of { query, positive }, not ${describe(pairs)}`)
    pairs.forEach((pair, i) => {
      checkPair(pair, i)
    })
    for (const [j, source] of sources.entries()) oneOf(`sources[${j}]`, source, UNCERTAINTY_SOURCES)
    if (texts.length + pairs.length === 0) throw invalid('calibrate needs texts or pairs')
    const embed = { ...(signal && { signal }) }
    const queries = await this.#embedMembers(
      pairs.map((pair) => pair.query),
      embed,
    )
    const documents = await this.#embedMembers(
      pairs.map((pair) => pair.positive),
      embed,
    )
    const others = await this.#embedMembers(texts, embed)
    const spread = call(() => native().autoTemperature(allTraces([queries, documents, others])))
    if (pairs.length === 0) {
      const { coefficients } = this.#settings
      this.#settings = {
        ...this.#settings,
        temperature: coefficients === 'softmax-precision' ? this.temperature : spread,
      }
      return undefined
    }
    const calibration = (await run({ signal }, (job) =>
      native().calibrate(job, {
        dimension: this.dimension,
        sources: [...sources],
        queryMeans: queries.map((batch) => batch.mean),
        documentMeans: documents.map((batch) => batch.mean),
        queryUncertainties: uncertainties(queries, sources),
        documentUncertainties: uncertainties(documents, sources),
      }),
    )) as Calibration
    this.#settings = { ...this.#settings, coefficients: Object.freeze(calibration), temperature: spread }
    return calibration
  }

  /** Mixed Gaussians of texts, in their order. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EnsembleBatch> {
    checkOptions('embed', options, ['prompt', 'signal', 'onProgress'])
    checkTexts(texts)
    const settings = this.#settings
    const fingerprint = this.fingerprint
    const members = await this.#embedMembers(texts, options)
    const { mixed, coefficients, disagreement, valid } = await mix(members, settings, options.signal)
    return new EnsembleBatch(mixed, this.dimension, { coefficients, disagreement, valid, fingerprint })
  }

  /**
   * Writes a directory that holds all that is needed to serve: ensemble.json, and each member baked. It replaces an ensemble that is
   * there, all or nothing. ERR_FILE_WRITE.
   */
  async save(directory: string): Promise<void> {
    text('directory', directory)
    this.#alive()
    await writeEnsemble(directory, this.members, this.#settings)
  }

  /** Disposes the members that this ensemble loaded. Calling it again does nothing. */
  dispose(): Promise<void> {
    this.#disposed ??= Promise.all(this.#owned.map((member) => member.dispose())).then(() => undefined)
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #alive(): void {
    if (this.#disposed) throw new UecError('ERR_DISPOSED', 'this ensemble was disposed; load it again')
  }

  /** One after the other: each member's session uses all of its threads. */
  async #embedMembers(texts: readonly string[], options: EmbedOptions): Promise<EncoderBatch[]> {
    this.#alive()
    const { onProgress, ...rest } = options
    const total = texts.length * this.members.length
    const batches: EncoderBatch[] = []
    for (const [k, member] of this.members.entries()) {
      const report =
        onProgress &&
        ((p: { phase: string; done: number }) =>
          onProgress({ phase: p.phase, done: k * texts.length + p.done, total }))
      batches.push(await member.embed(texts, { ...rest, ...(report && { onProgress: report }) }))
    }
    return batches
  }
}

function checkMember(members: readonly Encoder[], k: number, fingerprint: string | undefined): void {
  const member = members[k]!
  if (!member.fitted)
    throw new UecError(
      'ERR_NOT_FITTED',
      `member ${k} has no posterior: fit it, and load it with { posterior } or bake it`,
    )
  if (!member.info.normalize)
    throw invalid(`member ${k} was loaded with normalize: false; members of an ensemble are normalised`)
  if (member.dimension !== members[0]!.dimension)
    throw new UecError(
      'ERR_DIMENSION_MISMATCH',
      `member ${k} has dimension ${member.dimension}, member 0 has ${members[0]!.dimension}`,
    )
  if (fingerprint !== undefined && Encoder.handle(member).identity !== fingerprint)
    throw new UecError(
      'ERR_POSTERIOR_MISMATCH',
      `member ${k} is not the encoder that the ensemble was saved with`,
    )
}

/** T 'auto' without calibration texts: from the moments over the fitting texts that each posterior keeps. */
async function fittedTemperature(members: readonly Encoder[], rule: CoefficientRule): Promise<number> {
  if (rule !== 'softmax-trace' && rule !== 'softmax-precision') return 1
  const moments = await Promise.all(
    members.map((member) =>
      run({}, (job) => {
        const handle = Encoder.handle(member)
        return rule === 'softmax-trace' ? handle.traceMoments(job) : handle.precisionMoments(job)
      }),
    ),
  )
  return call(() => native().temperatureFromMoments(moments))
}

function allTraces(groups: readonly (readonly EncoderBatch[])[]): Float64Array[] {
  return groups.flat().map((batch) => batch.traces().filter((_, i) => batch.valid[i] === 1))
}

async function mix(members: readonly EncoderBatch[], settings: Settings, signal: AbortSignal | undefined) {
  const rule = settings.coefficients
  const u = typeof rule === 'object' && 'sources' in rule ? uncertainties(members, rule.sources) : undefined
  const plan = planCoefficients(rule, settings.temperature, u, members.length, members[0]!.length)
  const mixture: Mixture = await nativeBackend().convolve(members, plan, settings.normalize, signal)
  const disagreement = Float32Array.from(mixture.squaredNorms, (norm2, i) =>
    mixture.valid[i] ? 1 - norm2 : 0,
  )
  return { mixed: mixture, coefficients: mixture.coefficients, disagreement, valid: mixture.valid }
}
