// An ONNX text encoder that returns Gaussians: mean and variance from one forward pass (method §3).
import { checkEmbedOptions, checkText, checkTexts, type EmbedOptions, embedTexts } from './embed.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { type EncoderOptions, nativeEncoderOptions } from './encoder-options.ts'
import { invalid, UecError } from './errors.ts'
import { type FitOptions, fitStream, nativeFitOptions, type Pair } from './fit.ts'
import { checkItems, eachItem, type Items } from './items.ts'
import { call, run } from './job.ts'
import { type Binding, native } from './native.ts'
import { checkOptions, describe, integer, oneOf, text } from './options.ts'
import { Posterior, wrapPosterior } from './posterior.ts'
import { RunningCalls } from './running-calls.ts'
import { type CallOptions, checkSignal, signalOf } from './signal.ts'

export interface BakeOptions extends CallOptions {
  /** How the posterior is stored: float16 takes half the space, with a relative error of 5e-4. Default float32. */
  weights?: 'float32' | 'float16'
}

export interface EncoderInfo {
  /** D, or as many entries as are kept of an embedding. */
  dimension: number
  /** I, the width of the last linear layer's input; 0 for a baked file, whose layer is no longer needed. */
  features: number
  norm: 'layer' | 'rms' | 'none'
  pooling: string
  /** Unit-length means. */
  normalize: boolean
  /** Longest text in tokens, special ones included. */
  maxTokens: number
  /** The node of the last linear layer. */
  linear: string
  device: string
  /** Version and path of the ONNX Runtime library. */
  runtime: string
  threads: number
}

const secret = Symbol('encoder')

export class Encoder implements AsyncDisposable {
  readonly dimension: number
  /** Whether variances are available. */
  readonly fitted: boolean
  readonly info: EncoderInfo
  /** SHA-256 over model, tokenizer, pooling and normalisation: what a posterior belongs to. */
  readonly fingerprint: string
  /** The same with its posterior: the `fingerprint` of an index of this encoder's rows. */
  readonly identity: string
  readonly #native: Binding.NativeEncoder
  readonly #running = new RunningCalls()
  #disposed: Promise<void> | undefined

  /** @internal */
  constructor(token: symbol, handle: Binding.NativeEncoder) {
    if (token !== secret) throw invalid('an Encoder is made by Encoder.load, not by new')
    this.#native = handle
    this.dimension = handle.dimension
    this.fitted = handle.fitted
    this.fingerprint = handle.fingerprint
    this.identity = handle.identity
    this.info = Object.freeze(handle.info as EncoderInfo)
  }

  /**
   * Loads a sentence-transformers style directory, or one .onnx file with a tokenizer.json beside it (then pooled as the graph does, or by
   * the mean, and normalised, unless told otherwise). ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED, ERR_TOKENIZER_INVALID,
   * ERR_POSTERIOR_MISMATCH, ERR_RUNTIME_NOT_FOUND, ERR_DEVICE_UNAVAILABLE, or the signal's reason.
   */
  static async load(path: string, options: EncoderOptions = {}): Promise<Encoder> {
    text('path', path)
    const settings = nativeEncoderOptions(options)
    const { posterior, signal } = options
    const fitted =
      typeof posterior === 'string'
        ? await Posterior.load(posterior, { ...(signal && { signal }) })
        : posterior
    const handle = await run({ signal }, async (job) => {
      const loaded = await native().NativeEncoder.load(
        job,
        path,
        settings,
        fitted && Posterior.handle(fitted),
      )
      if (signal?.aborted) await loaded.dispose() // nobody waits for it any more
      return loaded
    })
    return new Encoder(secret, handle)
  }

  /** Gaussians of texts, in their order. An unfitted encoder gives variance zero. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EncoderBatch> {
    checkEmbedOptions('embed', options)
    checkTexts(texts)
    this.#alive()
    return this.#running.track(() => embedTexts(this.#native, texts, options))
  }

  /**
   * Gaussians of a stream of texts, batch by batch; the next batch is computed while the caller uses the last. Leaving the loop early
   * stops the work and closes the source.
   */
  async *embedStream(
    texts: Items<string>,
    options: EmbedOptions & { batchSize?: number } = {},
  ): AsyncGenerator<EncoderBatch, void> {
    checkEmbedOptions('embedStream', options, ['batchSize'])
    const { batchSize = 256, signal, ...rest } = options
    integer('batchSize', batchSize, 1)
    checkItems('texts', texts)
    signal?.throwIfAborted()
    const left = new AbortController()
    const abort = () => left.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const embed = (chunk: readonly string[]) => {
      const batch = this.embed(chunk, { ...rest, signal: left.signal })
      batch.catch(() => {}) // awaited below, after the one before
      return batch
    }
    try {
      let pending: Promise<EncoderBatch> | undefined
      let chunk: string[] = []
      let position = 0
      for await (const item of eachItem(texts, signal)) {
        if (chunk.push(checkText(position++, item)) < batchSize) continue
        const before = pending
        pending = embed(chunk)
        chunk = []
        if (before) yield await before
      }
      const last = chunk.length > 0 ? embed(chunk) : undefined
      if (pending) yield await pending
      if (last) yield await last
    } finally {
      signal?.removeEventListener('abort', abort)
      left.abort()
    }
  }

  /**
   * Fits a posterior on pairs, or on plain texts (a pair is then two word-dropped copies of a text). Memory does not depend on their
   * number. The model's default prompt, if it has one, is put before every text, as `embed` does; put others there yourself. The encoder
   * itself is not changed: load it again with the posterior.
   */
  async fit(data: Items<Pair | string>, options: FitOptions = {}): Promise<Posterior> {
    const settings = nativeFitOptions(options)
    checkItems('the data to fit', data)
    this.#alive()
    return wrapPosterior(
      await this.#running.track(() => fitStream(this.#native, data, settings, { ...options })),
    )
  }

  /**
   * Writes an ordinary .onnx with outputs `mean`, `variance` and `norm`, atomically. Aborted while it writes, the file is the old one or, a
   * moment later, the new one, and always whole; `dispose` waits for that. Its metadata (`uec.*`) says what it was made of.
   * ERR_NOT_FITTED, ERR_POSTERIOR_MISMATCH, ERR_FILE_WRITE, or the signal's reason.
   */
  async bake(file: string, posterior?: Posterior, options: BakeOptions = {}): Promise<void> {
    text('file', file)
    if (posterior !== undefined && !(posterior instanceof Posterior))
      throw invalid(`posterior must be a Posterior, not ${describe(posterior)}`)
    checkOptions('Encoder.bake', options, ['weights', 'signal'])
    const { weights } = options
    if (weights !== undefined) oneOf('weights', weights, ['float32', 'float16'])
    const signal = checkSignal(options.signal)
    this.#alive()
    const handle = posterior && Posterior.handle(posterior)
    await this.#running.track(() => run({}, (job) => this.#native.bake(job, file, handle, weights)), signal)
  }

  /** Runs one text, so that the first request is not the slow one. */
  async warmup(options?: CallOptions): Promise<void> {
    const signal = signalOf('Encoder.warmup', options)
    await this.embed(['warm up'], { ...(signal && { signal }) })
  }

  /** Waits for running calls, then frees the model. Calling it again does nothing. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#running.settled().then(() => call(() => this.#native.dispose()))
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #alive(): void {
    if (this.#disposed) throw new UecError('ERR_DISPOSED', 'this encoder was disposed; load it again')
  }

  /** @internal */
  static handle(encoder: Encoder): Binding.NativeEncoder {
    encoder.#alive()
    return encoder.#native
  }
}
