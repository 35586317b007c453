// Feeds pairs or texts to a native fit in chunks, so that memory does not depend on how many there are.
import { invalid } from './errors.ts'
import { eachItem, type Items } from './items.ts'
import { type Progress, run } from './job.ts'
import type { Binding } from './native.ts'
import { callback, checkOptions, integer, nonNegative, oneOf, positive, text } from './options.ts'
import { nativePrior, type PriorPrecision } from './posterior.ts'
import { checkSignal } from './signal.ts'

/** A query and the text that answers it, with texts that do not. */
export interface Pair {
  query: string
  positive: string
  negatives?: readonly string[]
}

export interface FitOptions {
  /** Empirical Fisher (default) or generalised Gauss-Newton. */
  curvature?: 'ef' | 'ggn'
  /** Whether gradients run through the passages too (default). */
  sides?: 'both' | 'query'
  similarity?: 'cosine' | 'dot'
  /** τ of InfoNCE, 0.05. */
  temperature?: number
  /** Pairs per contrastive batch, 32. */
  batchSize?: number
  /** λ; default 'relative'. */
  priorPrecision?: PriorPrecision
  /** T_l, 1. */
  laplaceTemperature?: number
  /** Default 'plain', the paper's formula. */
  tail?: 'plain' | 'first-order'
  /** Share of the words dropped from each copy of a plain text, 0.3. */
  wordDropout?: number
  /** 0. A text's dropout depends on (seed, text) alone. */
  seed?: number
  /** Variance scale c, default 'trace': mean trace 1 over the fitting texts. */
  scale?: 'trace' | 'none' | number
  /**
   * A file that the fit is saved to while it runs, and goes on from if it exists (docs/checkpoint-format.md): with the same data and options
   * the posterior is bit for bit that of a fit without a break. It stays there: delete it once the posterior is saved.
   */
  checkpoint?: string
  /** Seconds of work between two saves of the checkpoint, 30; 0 saves after every batch. */
  checkpointSeconds?: number
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
}

const OPTIONS = [
  'curvature',
  'sides',
  'similarity',
  'temperature',
  'batchSize',
  'priorPrecision',
  'laplaceTemperature',
  'tail',
  'wordDropout',
  'seed',
  'scale',
  'checkpoint',
  'checkpointSeconds',
  'signal',
  'onProgress',
] as const

const CHOICES = {
  curvature: ['ef', 'ggn'],
  sides: ['both', 'query'],
  similarity: ['cosine', 'dot'],
  tail: ['plain', 'first-order'],
} as const

/** Checks the options and brings them into the native form. @internal */
export function nativeFitOptions(options: FitOptions): Binding.NativeFitOptions {
  checkOptions('fit', options, OPTIONS)
  const { scale, priorPrecision, signal, onProgress, ...rest } = options
  checkSignal(signal)
  callback('onProgress', onProgress)
  if (rest.checkpoint !== undefined) text('checkpoint', rest.checkpoint)
  if (rest.checkpointSeconds !== undefined) nonNegative('checkpointSeconds', rest.checkpointSeconds)
  for (const [name, names] of Object.entries(CHOICES)) {
    const value = rest[name as keyof typeof CHOICES]
    if (value !== undefined) oneOf(name, value, names)
  }
  if (rest.temperature !== undefined) positive('temperature', rest.temperature)
  if (rest.laplaceTemperature !== undefined) positive('laplaceTemperature', rest.laplaceTemperature)
  if (rest.batchSize !== undefined) integer('batchSize', rest.batchSize, 2, 0xffffffff)
  if (rest.seed !== undefined) integer('seed', rest.seed, 0)
  if (rest.wordDropout !== undefined && nonNegative('wordDropout', rest.wordDropout) >= 1)
    throw invalid(`wordDropout must be below 1, got ${rest.wordDropout}`)
  return {
    ...rest,
    ...nativePrior(priorPrecision),
    ...(typeof scale === 'number' && { scale: positive('scale', scale) }),
    ...(typeof scale !== 'number' &&
      scale !== undefined && { scaleRule: oneOf('scale (if not a number)', scale, ['trace', 'none']) }),
  }
}

const CHUNK = 64

/** Refuses anything but a pair of strings. @internal */
export function checkPair(item: unknown, position: number): asserts item is Pair {
  const pair = item as Partial<Pair> | null
  if (
    typeof pair !== 'object' ||
    pair === null ||
    typeof pair.query !== 'string' ||
    typeof pair.positive !== 'string'
  )
    throw invalid(`item ${position} must be a text or { query, positive, negatives? } of strings`)
  const negatives = pair.negatives
  if (
    negatives !== undefined &&
    !(Array.isArray(negatives) && negatives.every((text) => typeof text === 'string'))
  )
    throw invalid(`the negatives of pair ${position} must be strings`)
}

/**
 * Streams the data through a native fit: while one chunk is fitted, the next is read. Where that ends early, the checkpoint gets what was
 * done. @internal
 */
export async function fitStream(
  encoder: Binding.NativeEncoder,
  data: Items<Pair | string>,
  settings: Binding.NativeFitOptions,
  { signal, onProgress }: FitOptions,
): Promise<Binding.NativePosterior> {
  const total = Array.isArray(data) ? data.length : undefined
  const report = (phase: string, done: number) =>
    onProgress?.({ phase, done, ...(total !== undefined && { total }) })
  const fitter = await run({ signal }, (job) => encoder.fitter(job, settings))
  const { resumed } = fitter
  if (resumed > 0) report('resume', resumed)
  // Ends the reading as soon as a chunk has failed.
  const failed = new AbortController()
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
  let pushed: Promise<void> = Promise.resolve()
  let done = 0
  const push = async (chunk: readonly (Pair | string)[]) => {
    await pushed
    pushed = run({ signal }, (job) => pushChunk(fitter, job, chunk)).then(() => {
      done += chunk.length
      if (done > resumed) report('fit', done)
    })
    pushed.catch((error) => failed.abort(error))
  }
  try {
    for await (const chunk of chunksOf(data, stop)) await push(chunk)
    await pushed
    const posterior = await run({ signal }, (job) => fitter.finish(job))
    report('posterior', done)
    return posterior
  } catch (error) {
    const saved = run({}, (job) => fitter.save(job)).catch(() => {})
    if (!signal?.aborted) await saved
    throw error
  }
}

function pushChunk(
  fitter: Binding.NativeFitter,
  job: Binding.Job,
  chunk: readonly (Pair | string)[],
): Promise<void> {
  if (typeof chunk[0] === 'string') return fitter.pushTexts(job, chunk as string[])
  const pairs = (chunk as readonly Pair[]).map(({ query, positive, negatives = [] }) => ({
    query,
    positive,
    negatives: [...negatives],
  }))
  return fitter.pushPairs(job, pairs)
}

/** Checked items in chunks, all texts or all pairs. */
async function* chunksOf(
  data: Items<Pair | string>,
  signal: AbortSignal,
): AsyncGenerator<(Pair | string)[], void> {
  let chunk: (Pair | string)[] = []
  let position = 0
  let kind: string | undefined
  for await (const item of eachItem(data, signal)) {
    if (typeof item !== 'string') checkPair(item, position)
    kind ??= typeof item
    if (typeof item !== kind) throw invalid(`item ${position}: give either pairs or plain texts, not both`)
    position += 1
    if (chunk.push(item) < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
