// What Encoder.load takes, checked and brought into the native form.
import { invalid } from './errors.ts'
import type { Binding } from './native.ts'
import { boolean, checkOptions, describe, integer, oneOf, text } from './options.ts'
import { Posterior } from './posterior.ts'
import { MOST_THREADS, runtimeSearch } from './runtime.ts'
import { checkSignal } from './signal.ts'

export interface EncoderOptions {
  /** A fitted posterior, or its file. */
  posterior?: Posterior | string
  /**
   * 'original': the posterior was fitted on the encoder of which this one is a copy with int8, 4-bit or float16 weights. Then the last
   * layers need only be alike (sizes, kind and scales of the norm, squared norm of the weights). Default 'this'.
   */
  fittedOn?: 'this' | 'original'
  /**
   * Keep the first so many entries of an embedding, for encoders trained that way (Matryoshka), before it is normalised. A posterior of
   * more dimensions is cut. Default: all.
   */
  dimensions?: number
  /** Default: what the model directory says, else what the graph does itself, else mean. */
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
  /** Of the loading alone. */
  signal?: AbortSignal
}

/** A check for each option; the value has passed if it returns. */
const CHECKS: { [Name in keyof EncoderOptions]-?: (value: unknown) => unknown } = {
  posterior: (value) => {
    if (typeof value !== 'string' && !(value instanceof Posterior))
      throw invalid(`posterior must be a Posterior or the path of its file, not ${describe(value)}`)
  },
  fittedOn: (value) => oneOf('fittedOn', value, ['this', 'original']),
  dimensions: (value) => integer('dimensions', value, 1, 0xffffffff),
  pooling: (value) => oneOf('pooling', value, ['mean', 'cls', 'last']),
  normalize: (value) => boolean('normalize', value),
  maxTokens: (value) => integer('maxTokens', value, 1, 0xffffffff),
  prompts: checkPrompts,
  file: (value) => text('file', value),
  tail: (value) => {
    checkOptions('tail', value, ['linear', 'norm'])
    for (const [name, node] of Object.entries(value as object))
      if (node !== undefined) text(`tail.${name}`, node)
  },
  threads: (value) => integer('threads', value, 1, MOST_THREADS),
  sessions: (value) => {
    if (integer('sessions', value, 1) !== 1)
      throw invalid(`sessions: this version runs one session per encoder, got ${value}`)
  },
  device: (value) => oneOf('device', value, ['cpu', 'cuda']),
  runtime: (value) => text('runtime', value),
  batching: () => {
    throw invalid('batching: this version does not merge concurrent calls; leave it out')
  },
  signal: checkSignal,
}

function checkPrompts(prompts: unknown): void {
  if (typeof prompts !== 'object' || prompts === null || Array.isArray(prompts))
    throw invalid(`prompts must be an object of strings, not ${describe(prompts)}`)
  for (const [name, prompt] of Object.entries(prompts))
    if (typeof prompt !== 'string') throw invalid(`prompts.${name} must be a string, not ${describe(prompt)}`)
}

/** Checks the options and copies them into the native form. @internal */
export function nativeEncoderOptions(options: EncoderOptions): Binding.NativeEncoderOptions {
  checkOptions('Encoder.load', options, Object.keys(CHECKS))
  for (const [name, check] of Object.entries(CHECKS)) {
    const value = options[name as keyof EncoderOptions]
    if (value !== undefined) check(value)
  }
  const { posterior, tail, sessions, batching, runtime, prompts, signal, ...rest } = options
  return {
    ...rest,
    ...(prompts && { prompts: Object.fromEntries(Object.entries(prompts)) }),
    ...(tail?.linear !== undefined && { linear: tail.linear }),
    ...(tail?.norm !== undefined && { norm: tail.norm }),
    ...runtimeSearch(runtime),
  }
}
