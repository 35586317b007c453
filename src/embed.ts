// Texts in, Gaussians out: in chunks, so that handing over a million texts never holds the event loop.
import { type Embedded, EncoderBatch } from './encoder-batch.ts'
import { invalid } from './errors.ts'
import { allocate } from './gaussian-batch.ts'
import { type Progress, run } from './job.ts'
import type { Binding } from './native.ts'
import { callback, checkOptions, describe, text } from './options.ts'
import { checkSignal } from './signal.ts'

export interface EmbedOptions {
  /** Name of one of the prompts. */
  prompt?: string
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
}

/** Refuses wrong options; `more` names further ones that the caller checks itself. @internal */
export function checkEmbedOptions(owner: string, options: EmbedOptions, more: readonly string[] = []): void {
  checkOptions(owner, options, ['prompt', 'signal', 'onProgress', ...more])
  if (options.prompt !== undefined) text('prompt', options.prompt)
  callback('onProgress', options.onProgress)
  checkSignal(options.signal)
}

/** Refuses anything but a string. @internal */
export function checkText(position: number, item: unknown): string {
  if (typeof item === 'string') return item
  throw invalid(`texts[${position}] must be a string, not ${describe(item)}`)
}

/** Refuses anything but an array of strings. @internal */
export function checkTexts(texts: unknown): asserts texts is readonly string[] {
  if (!Array.isArray(texts)) throw invalid(`texts must be an array of strings, not ${describe(texts)}`)
  for (let i = 0; i < texts.length; i++) checkText(i, texts[i])
}

/** Limits of one native call: what it is handed and what it hands back are copied between two turns of the event loop. */
const MOST_TEXTS = 8192
const MOST_LETTERS = 1 << 22
const MOST_NUMBERS = 1 << 21

/** Where the chunk that begins at `start` ends: after one text at least. */
function chunkEnd(texts: readonly string[], start: number, dimension: number): number {
  const most = Math.min(texts.length, start + Math.min(MOST_TEXTS, Math.max(1, MOST_NUMBERS / dimension)))
  let letters = 0
  let end = start
  while (end < most && (end === start || letters + texts[end]!.length <= MOST_LETTERS))
    letters += texts[end++]!.length
  return end
}

/** Embeds checked texts with a native encoder. @internal */
export async function embedTexts(
  encoder: Binding.NativeEncoder,
  texts: readonly string[],
  { prompt, signal, onProgress }: EmbedOptions,
): Promise<EncoderBatch> {
  const { dimension, identity } = encoder
  const embed = (start: number, end: number, total: number) => {
    const chunk = start === 0 && end === texts.length ? texts : texts.slice(start, end)
    const report =
      onProgress && ((now: Progress) => onProgress({ phase: now.phase, done: start + now.done, total }))
    return run({ signal, onProgress: report }, (job) => encoder.embed(job, chunk as string[], prompt))
  }
  let end = chunkEnd(texts, 0, dimension)
  if (end === texts.length) return new EncoderBatch(await embed(0, end, end), dimension, identity)
  texts = texts.slice()
  const whole = emptyResult(texts.length, dimension)
  for (let start = 0; start < texts.length; start = end) {
    end = chunkEnd(texts, start, dimension)
    const part = await embed(start, end, texts.length)
    for (const name of ['mean', 'variance'] as const) whole[name].set(part[name], start * dimension)
    for (const name of ['norms', 'tokens', 'tokensPerWord', 'truncated', 'valid'] as const)
      whole[name].set(part[name], start)
  }
  return new EncoderBatch(whole, dimension, identity)
}

function emptyResult(length: number, dimension: number): Embedded {
  return {
    mean: allocate(length * dimension),
    variance: allocate(length * dimension),
    norms: new Float32Array(length),
    tokens: new Uint32Array(length),
    tokensPerWord: new Float32Array(length),
    truncated: new Uint8Array(length),
    valid: new Uint8Array(length),
  }
}
