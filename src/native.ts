// The addon, loaded once. Where no binary fits this platform, `native()` says so and scoring and search fall back to uec/pure.
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import type * as Binding from '../native/binding.cjs'
import { UecError } from './errors.ts'

export type { Binding }

let loaded: typeof Binding | undefined
let failure: unknown

function load(): typeof Binding | undefined {
  if (loaded || failure) return loaded
  try {
    loaded = createRequire(import.meta.url)('../native/binding.cjs') as typeof Binding
    const binding = loaded
    // A thread that still computes while the process tears ONNX Runtime down is undefined behaviour. The jobs of a
    // worker end with it, by themselves; the others must not.
    if (isMainThread) process.once('exit', () => binding.drainJobs(2000))
  } catch (error) {
    failure = error
  }
  return loaded
}

function missing(): UecError {
  return new UecError(
    'ERR_NATIVE_NOT_FOUND',
    `no native binary of uec fits ${process.platform}-${process.arch}. Install without --omit=optional, or build it with \`npm run build\`. ` +
      'Scores, convolution and search also work without it (uec/pure); encoders do not.',
    { cause: failure },
  )
}

/** The addon, or undefined on a platform without one. */
export const optionalNative = load

/** The addon. Throws ERR_NATIVE_NOT_FOUND with the remedy on a platform without one. */
export function native(): typeof Binding {
  const binding = load()
  if (!binding) throw missing()
  return binding
}
