// An ONNX text encoder that returns Gaussians: mean and variance from one forward pass (method §3).
import { EncoderBatch } from './encoder-batch.ts'
import { invalid, UecError } from './errors.ts'
import { type FitOptions, fitStream, nativeFitOptions, type Pair } from './fit.ts'
import { call, type Progress, run } from './job.ts'
import { type Binding, native } from './native.ts'
import { checkOptions, describe, integer, text } from './options.ts'
import { Posterior, wrapPosterior } from './posterior.ts'
import { runtimeSearch } from './runtime.ts'

export interface EncoderOptions {
  /** A fitted posterior, or its file. */
  posterior?: Posterior | string
  /** Default: what the model directory says, else mean. */
  pooling?: 'mean' | 'cls' | 'last'
  /** Unit-length embeddings. Default: what the model directory says, else true. */
  normalize?: boolean
  /** Longer texts are cut. Default: what the model directory says. */
  maxTokens?: number
  /** Text put before the input, by name: `{ query: 'query: ', document: 'passage: ' }`. */
  prompts?: Record<string, string>
  /** Which .onnx inside the directory. */
  file?: string
  /** Node or tensor names, when the structure of the graph is not recognised. */
  tail?: { linear?: string; norm?: string }
  /** Compute threads of this encoder. Default: as configured, else all processors. */
  threads?: number
  /** Parallel ONNX sessions; this version runs one. */
  sessions?: number
  /** An unavailable device is ERR_DEVICE_UNAVAILABLE, never a silent fallback. */
  device?: 'cpu' | 'cuda'
  /** Path of the ONNX Runtime library. */
  runtime?: string
  /** Merging of concurrent calls; not in this version. */
  batching?: { maxTokens?: number; maxDelayMs?: number; maxPending?: number }
}

const OPTIONS = [
  'posterior',
  'pooling',
  'normalize',
  'maxTokens',
  'prompts',
  'file',
  'tail',
  'threads',
  'sessions',
  'device',
  'runtime',
  'batching',
] as const

export interface EmbedOptions {
  /** Name of one of the prompts. */
  prompt?: string
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
}

export interface EncoderInfo {
  /** D. */
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

/** Refuses anything but an array of strings. @internal */
export function checkTexts(texts: unknown): asserts texts is readonly string[] {
  if (!Array.isArray(texts)) throw invalid(`texts must be an array of strings, not ${describe(texts)}`)
  const wrong = texts.findIndex((item) => typeof item !== 'string')
  if (wrong >= 0) throw invalid(`texts[${wrong}] must be a string, not ${describe(texts[wrong])}`)
}

const secret = Symbol('encoder')

export class Encoder implements AsyncDisposable {
  readonly dimension: number
  /** Whether variances are available. */
  readonly fitted: boolean
  readonly info: EncoderInfo
  /** SHA-256 over model, tokenizer, pooling and normalisation. */
  readonly fingerprint: string
  readonly #native: Binding.NativeEncoder
  #disposed: Promise<void> | undefined

  /** @internal */
  constructor(token: symbol, handle: Binding.NativeEncoder) {
    if (token !== secret) throw invalid('an Encoder is made by Encoder.load, not by new')
    this.#native = handle
    this.dimension = handle.dimension
    this.fitted = handle.fitted
    this.fingerprint = handle.fingerprint
    this.info = Object.freeze(handle.info as EncoderInfo)
  }

  /**
   * Loads a sentence-transformers style directory, or one .onnx file with a tokenizer.json beside it (then mean pooling, normalised,
   * unless told otherwise). ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED, ERR_TOKENIZER_INVALID,
   * ERR_POSTERIOR_MISMATCH, ERR_RUNTIME_NOT_FOUND, ERR_DEVICE_UNAVAILABLE.
   */
  static async load(path: string, options: EncoderOptions = {}): Promise<Encoder> {
    text('path', path)
    checkOptions('Encoder.load', options, OPTIONS)
    const { posterior, tail, sessions, batching, runtime, ...rest } = options
    if (tail !== undefined) checkOptions('tail', tail, ['linear', 'norm'])
    if (sessions !== undefined && sessions !== 1)
      throw invalid(`sessions: this version runs one session per encoder, got ${sessions}`)
    if (batching !== undefined)
      throw invalid('batching: this version does not merge concurrent calls; leave it out')
    const fitted = typeof posterior === 'string' ? await Posterior.load(posterior) : posterior
    if (fitted !== undefined && !(fitted instanceof Posterior))
      throw invalid('posterior must be a Posterior or the path of its file')
    const handle = await run({}, (job) =>
      native().NativeEncoder.load(
        job,
        path,
        {
          ...rest,
          ...(tail?.linear !== undefined && { linear: tail.linear }),
          ...(tail?.norm !== undefined && { norm: tail.norm }),
          ...runtimeSearch(runtime),
        },
        fitted && Posterior.handle(fitted),
      ),
    )
    return new Encoder(secret, handle)
  }

  /** Gaussians of texts, in their order. An unfitted encoder gives variance zero. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<EncoderBatch> {
    checkOptions('embed', options, ['prompt', 'signal', 'onProgress'])
    checkTexts(texts)
    this.#alive()
    const result = await run(options, (job) => this.#native.embed(job, texts as string[], options.prompt))
    return new EncoderBatch(result, this.dimension)
  }

  /** Gaussians of a stream of texts, batch by batch; the next batch is computed while the caller uses the last. */
  async *embedStream(
    texts: AsyncIterable<string> | Iterable<string>,
    options: EmbedOptions & { batchSize?: number } = {},
  ): AsyncIterable<EncoderBatch> {
    checkOptions('embedStream', options, ['prompt', 'signal', 'onProgress', 'batchSize'])
    const { batchSize = 256, ...embed } = options
    integer('batchSize', batchSize, 1)
    let pending: Promise<EncoderBatch> | undefined
    let chunk: string[] = []
    const next = () => {
      const batch = this.embed(chunk, embed)
      batch.catch(() => {}) // awaited below, after the one before
      chunk = []
      return batch
    }
    for await (const text of texts) {
      if (chunk.push(text) < batchSize) continue
      const before = pending
      pending = next()
      if (before) yield await before
    }
    if (pending) yield await pending
    if (chunk.length > 0) yield await next()
  }

  /**
   * Fits a posterior on pairs, or on plain texts (a pair is then two word-dropped copies of a text). Memory does not depend on their
   * number. The encoder itself is not changed: load it again with the posterior.
   */
  async fit(
    data: Iterable<Pair | string> | AsyncIterable<Pair | string>,
    options: FitOptions = {},
  ): Promise<Posterior> {
    const settings = nativeFitOptions(options)
    this.#alive()
    return wrapPosterior(await fitStream(this.#native, data, settings, options))
  }

  /** Writes an ordinary .onnx with outputs `mean`, `variance` and `norm`, atomically. ERR_NOT_FITTED, ERR_FILE_WRITE. */
  async bake(file: string, posterior?: Posterior): Promise<void> {
    text('file', file)
    if (posterior !== undefined && !(posterior instanceof Posterior))
      throw invalid('posterior must be a Posterior')
    this.#alive()
    await run({}, (job) => this.#native.bake(job, file, posterior && Posterior.handle(posterior)))
  }

  /** Runs one text, so that the first request is not the slow one. */
  async warmup(): Promise<void> {
    await this.embed(['warm up'])
  }

  /** Waits for running calls, then frees the model. Calling it again does nothing. */
  dispose(): Promise<void> {
    this.#disposed ??= call(() => this.#native.dispose()) as Promise<void>
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
