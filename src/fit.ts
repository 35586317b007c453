// Feeds pairs or texts to a native fit in chunks, so that memory does not depend on how many there are.
import { invalid } from './errors.ts'
import { eachItem, type Items } from './items.ts'
import { type Progress, run } from './job.ts'
import type { Binding } from './native.ts'
import { callback, checkOptions, integer, nonNegative, oneOf, positive } from './options.ts'
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
  /** Not in this version. */
  checkpoint?: string
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
  const { scale, priorPrecision, signal, onProgress, checkpoint, ...rest } = options
  checkSignal(signal)
  callback('onProgress', onProgress)
  if (checkpoint !== undefined) throw invalid('checkpoint: this version cannot resume a fit; leave it out')
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

/** Streams the data through a native fit. @internal */
export async function fitStream(
  encoder: Binding.NativeEncoder,
  data: Items<Pair | string>,
  settings: Binding.NativeFitOptions,
  { signal, onProgress }: FitOptions,
): Promise<Binding.NativePosterior> {
  const total = Array.isArray(data) ? data.length : undefined
  const report = (done: number, phase = 'fit') =>
    onProgress?.({ phase, done, ...(total !== undefined && { total }) })
  const fitter = await run({ signal }, (job) => encoder.fitter(job, settings))
  let texts: string[] = []
  let pairs: Pair[] = []
  let done = 0
  const flush = async () => {
    if (texts.length > 0) await run({ signal }, (job) => fitter.pushTexts(job, texts))
    if (pairs.length > 0)
      await run({ signal }, (job) =>
        fitter.pushPairs(
          job,
          pairs.map(({ query, positive, negatives = [] }) => ({
            query,
            positive,
            negatives: [...negatives],
          })),
        ),
      )
    done += texts.length + pairs.length
    texts = []
    pairs = []
    report(done)
  }
  let position = 0
  for await (const item of eachItem(data, signal)) {
    if (typeof item === 'string') texts.push(item)
    else {
      checkPair(item, position)
      pairs.push(item)
    }
    if (texts.length > 0 && pairs.length > 0)
      throw invalid(`item ${position}: give either pairs or plain texts, not both`)
    position += 1
    if (texts.length + pairs.length >= CHUNK) await flush()
  }
  await flush()
  const posterior = await run({ signal }, (job) => fitter.finish(job))
  report(done, 'posterior')
  return posterior
}
