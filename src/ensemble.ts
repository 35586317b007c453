// Several Gaussian encoders mixed per text by how certain each is about it (method §4, §5).
import { createHash } from 'node:crypto'
import { type Calibration, type CoefficientRule, planCoefficients } from './coefficients.ts'
import { checkEmbedOptions, checkTexts, type EmbedOptions } from './embed.ts'
import { Encoder } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { type EncoderOptions, nativeEncoderOptions } from './encoder-options.ts'
import { EnsembleBatch } from './ensemble-batch.ts'
import {
  type CalibrationData,
  type CalibrationOptions,
  type CalibrationWork,
  checkCalibration,
} from './ensemble-calibration.ts'
import { readEnsemble, writeEnsemble } from './ensemble-file.ts'
import {
  essence,
  fittedTemperature,
  frozen,
  mix,
  observedTemperature,
  type Settings,
} from './ensemble-mixing.ts'
import { invalid, UecError } from './errors.ts'
import { run } from './job.ts'
import { native } from './native.ts'
import { boolean, checkOptions, describe, oneOf, positive, text } from './options.ts'
import { RunningCalls } from './running-calls.ts'
import { type CallOptions, checkSignal, signalOf, untilAborted } from './signal.ts'
import { uncertainties } from './uncertainty.ts'

export interface EnsembleOptions {
  /** Default: the stored or learned calibration, else 'softmax-trace'. */
  coefficients?: CoefficientRule
  /** T > 0, or 'auto' (default): the spread of the traces over the calibration texts, else over the fitting texts. */
  temperature?: number | 'auto'
  /** Unit-length mixtures, true. */
  normalize?: boolean
  /** For members that are loaded from paths; `signal` stands beside it, not in it. */
  encoder?: Omit<EncoderOptions, 'signal'>
  /** Members of other spaces: this version mixes encoders of one space. */
  align?: 'none' | 'procrustes'
  signal?: AbortSignal
}

const OPTIONS = ['coefficients', 'temperature', 'normalize', 'encoder', 'align', 'signal'] as const

const secret = Symbol('ensemble')

export class Ensemble implements AsyncDisposable {
  readonly members: readonly Encoder[]
  readonly dimension: number
  readonly #owned: readonly Encoder[]
  readonly #running = new RunningCalls()
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
    checkOptions('Ensemble.load', options, OPTIONS)
    const { coefficients, temperature, normalize, encoder = {}, align, signal } = options
    checkSignal(signal)?.throwIfAborted()
    nativeEncoderOptions(encoder)
    if ((encoder as EncoderOptions).signal !== undefined)
      throw invalid('encoder.signal: give signal to Ensemble.load itself')
    const encoderOptions = { ...encoder, normalize: true, ...(signal && { signal }) }
    if (align !== undefined && oneOf('align', align, ['none', 'procrustes']) !== 'none')
      throw invalid("align: this version mixes encoders of one space; leave it out or give 'none'")
    if (temperature !== undefined && temperature !== 'auto')
      positive("temperature (if not 'auto')", temperature)
    if (normalize !== undefined) boolean('normalize', normalize)
    const given = coefficients === undefined ? undefined : frozen(coefficients)
    const stored =
      typeof source === 'string'
        ? await untilAborted(signal, readEnsemble(text('source', source)))
        : undefined
    const parts: unknown = stored
      ? stored.members.map((member) => member.path)
      : Array.isArray(source) && [...source]
    if (!Array.isArray(parts) || parts.length === 0)
      throw invalid(`an ensemble is a directory or an array of at least one encoder, not ${describe(source)}`)
    const members: Encoder[] = []
    const owned: Encoder[] = []
    try {
      for (const [k, part] of parts.entries()) {
        if (part instanceof Encoder) members.push(part)
        else {
          const loaded = await Encoder.load(text(`member ${k}`, part), encoderOptions)
          owned.push(loaded)
          members.push(loaded)
        }
        signal?.throwIfAborted()
        checkMember(members, k, stored?.members[k]?.fingerprint)
      }
      const rule = given === undefined ? (stored?.coefficients ?? 'softmax-trace') : given
      planCoefficients(rule, 1, new Float32Array(0), members.length, 0)
      const T = temperature ?? stored?.temperature ?? 'auto'
      return new Ensemble(secret, members, owned, {
        coefficients: rule,
        temperature: T === 'auto' ? await fittedTemperature(members, rule, signal) : T,
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
    const identity = [this.members.map((member) => member.identity), essence(this.#settings)]
    return createHash('sha256').update(JSON.stringify(identity)).digest('hex')
  }

  /**
   * From texts: T. From pairs: also learned coefficients, choosing the sources by cross-validated loss (method §4). Takes effect for later
   * embeds, all or nothing.
   */
  async calibrate(data: CalibrationData, options: CalibrationOptions = {}): Promise<Calibration | undefined> {
    const checked = checkCalibration(data, options)
    this.#alive()
    return this.#running.track(() => this.#calibrate(checked))
  }

  async #calibrate({ texts, pairs, sources, signal }: CalibrationWork): Promise<Calibration | undefined> {
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
    const seen = [...queries, ...documents, ...others]
    if (pairs.length === 0) {
      const temperature = observedTemperature(seen, this.coefficients)
      this.#settings = { ...this.#settings, temperature }
      return undefined
    }
    const calibration = await run({ signal }, (job) =>
      native().calibrate(job, {
        dimension: this.dimension,
        sources: [...sources],
        queryMeans: queries.map((batch) => batch.mean),
        documentMeans: documents.map((batch) => batch.mean),
        queryUncertainties: uncertainties(queries, sources),
        documentUncertainties: uncertainties(documents, sources),
      }),
    )
    const learned = frozen(calibration as Calibration)
    const temperature = observedTemperature(seen, learned)
    this.#settings = { ...this.#settings, coefficients: learned, temperature }
    return learned
  }

  /** Mixed Gaussians of texts, in their order. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EnsembleBatch> {
    checkEmbedOptions('embed', options)
    checkTexts(texts)
    this.#alive()
    return this.#running.track(() => this.#embed(texts.slice(), { ...options }))
  }

  async #embed(texts: readonly string[], options: EmbedOptions): Promise<EnsembleBatch> {
    const settings = this.#settings
    const fingerprint = this.fingerprint
    const members = await this.#embedMembers(texts, options)
    const { mixed, coefficients, disagreement, valid } = await mix(members, settings, options.signal)
    return new EnsembleBatch(mixed, this.dimension, { coefficients, disagreement, valid, fingerprint })
  }

  /**
   * Writes a directory that holds all that is needed to serve: ensemble.json, and each member baked. It replaces an ensemble that is
   * there, all or nothing. Aborted while it writes, it stops after the member under way and leaves what was there, unless the new one was
   * already moving into its place; `dispose` waits for that. ERR_FILE_WRITE, or the signal's reason.
   */
  async save(directory: string, options?: CallOptions): Promise<void> {
    text('directory', directory)
    const signal = signalOf('Ensemble.save', options)
    this.#alive()
    const settings = this.#settings
    await this.#running.track(() => writeEnsemble(directory, this.members, settings, signal), signal)
  }

  /** Waits for running calls, then disposes the members that this ensemble loaded. Calling it again does nothing. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#close()
    return this.#disposed
  }

  async #close(): Promise<void> {
    await this.#running.settled()
    await Promise.all(this.#owned.map((member) => member.dispose()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #alive(): void {
    if (this.#disposed) throw new UecError('ERR_DISPOSED', 'this ensemble was disposed; load it again')
  }

  /** One after the other: each member's session uses all of its threads. */
  async #embedMembers(texts: readonly string[], options: EmbedOptions): Promise<EncoderBatch[]> {
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
  if (fingerprint !== undefined && member.identity !== fingerprint)
    throw new UecError(
      'ERR_POSTERIOR_MISMATCH',
      `member ${k} is not the encoder that the ensemble was saved with`,
    )
}
