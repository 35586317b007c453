// Several Gaussian encoders mixed per text by how certain each is about it (method §4, §5).
import type { AnyRule, Calibration, UncertaintySource } from './coefficients.ts'
import { checkEmbedOptions, checkTexts, type EmbedOptions } from './embed.ts'
import type { Encoder } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { type AlignmentFit, alignedMeans, fits } from './ensemble-alignment.ts'
import { EnsembleBatch } from './ensemble-batch.ts'
import {
  type CalibrationData,
  type CalibrationOptions,
  type CalibrationWork,
  checkCalibration,
} from './ensemble-calibration.ts'
import { type EnsembleOptions, loadEnsemble, type Parts } from './ensemble-load.ts'
import { fingerprintOf, frozen, mix, observedTemperature, type Settings } from './ensemble-mixing.ts'
import { writeEnsemble } from './ensemble-save.ts'
import { invalid, UecError } from './errors.ts'
import { run } from './job.ts'
import { native } from './native.ts'
import { text } from './options.ts'
import { RunningCalls } from './running-calls.ts'
import { type CallOptions, signalOf } from './signal.ts'
import { ownNumbers, uncertainties } from './uncertainty.ts'

const secret = Symbol('ensemble')

export class Ensemble implements AsyncDisposable {
  readonly members: readonly Encoder[]
  readonly dimension: number
  readonly #parts: Parts
  readonly #running = new RunningCalls()
  #settings: Settings
  #disposed: Promise<void> | undefined

  /** @internal */
  constructor(token: symbol, parts: Parts, settings: Settings) {
    if (token !== secret) throw invalid('an Ensemble is made by Ensemble.load, not by new')
    this.members = Object.freeze([...parts.members])
    this.dimension = this.members[settings.alignment?.reference ?? 0]!.dimension
    this.#parts = parts
    this.#settings = settings
  }

  /**
   * A directory with ensemble.json, or member encoders (paths or loaded). The ensemble disposes the encoders that it loaded from paths,
   * not those handed in. Members of one dimension and space need no alignment, others do. ERR_NOT_FITTED for a member without variances,
   * ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH.
   */
  static async load<Custom extends string = never>(
    source: string | readonly (string | Encoder)[],
    options: EnsembleOptions<Custom> = {},
  ): Promise<Ensemble> {
    return new Ensemble(secret, ...(await loadEnsemble(source, options as EnsembleOptions<string>)))
  }

  /** T of the softmax rules. */
  get temperature(): number {
    return this.#settings.temperature
  }

  /** How members are weighted: a rule, or the calibration learned. */
  get coefficients(): AnyRule {
    return this.#settings.coefficients
  }

  /** How well each member fits into the space of the reference, which itself has no entry; undefined without alignment. */
  get alignment(): readonly (AlignmentFit | undefined)[] | undefined {
    return this.#settings.alignment && fits(this.#settings.alignment)
  }

  /** SHA-256 over the members with their posteriors and how they are mixed: rows of different fingerprints do not compare. */
  get fingerprint(): string {
    const identities = this.members.map((member) => member.identity)
    return fingerprintOf(identities, this.#settings)
  }

  /**
   * From texts: T. From pairs: also learned coefficients, choosing the sources by cross-validated loss (method §4). Takes effect for later
   * embeds, all or nothing.
   */
  async calibrate<Source extends string = UncertaintySource>(
    data: CalibrationData,
    options: CalibrationOptions<Source> = {},
  ): Promise<Calibration<Source> | undefined> {
    const checked = checkCalibration(data, options, this.#parts.custom)
    this.#alive()
    const learned = await this.#running.track(() => this.#calibrate(checked))
    return learned as Calibration<Source> | undefined
  }

  async #calibrate({
    texts,
    pairs,
    sources,
    signal,
  }: CalibrationWork): Promise<Calibration<string> | undefined> {
    const embed = { ...(signal && { signal }) }
    const [asked, answers] = [pairs.map((pair) => pair.query), pairs.map((pair) => pair.positive)]
    const queries = await this.#embedMembers(asked, embed)
    const documents = await this.#embedMembers(answers, embed)
    const others = await this.#embedMembers(texts, embed)
    const seen = [...queries, ...documents, ...others]
    if (pairs.length === 0) {
      const temperature = observedTemperature(seen, this.coefficients)
      this.#settings = { ...this.#settings, temperature }
      return undefined
    }
    const { alignment } = this.#settings
    const { custom } = this.#parts
    const side = async (texts: readonly string[], batches: readonly EncoderBatch[]) => ({
      means: await alignedMeans(batches, alignment, signal),
      uncertainties: uncertainties(
        batches,
        sources,
        await ownNumbers(custom, sources, texts, batches, signal),
      ),
    })
    const [query, document] = [await side(asked, queries), await side(answers, documents)]
    const calibration = await run({ signal }, (job) =>
      native().calibrate(job, {
        dimension: this.dimension,
        sources: [...sources],
        queryMeans: query.means,
        documentMeans: document.means,
        queryUncertainties: query.uncertainties,
        documentUncertainties: document.uncertainties,
      }),
    )
    const learned = frozen(calibration as Calibration<string>)
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
    const { mixed, coefficients, disagreement, valid } = await mix(
      texts,
      members,
      settings,
      this.#parts.custom,
      options.signal,
    )
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
    await this.#running.track(
      () => writeEnsemble(directory, this.members, this.#parts.names, settings, signal),
      signal,
    )
  }

  /** Waits for running calls, then disposes the members that this ensemble loaded. Calling it again does nothing. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#close()
    return this.#disposed
  }

  async #close(): Promise<void> {
    await this.#running.settled()
    await Promise.all(this.#parts.owned.map((member) => member.dispose()))
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
