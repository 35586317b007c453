// One native operation: its abort signal, its progress, its errors.
import { asUecError, UecError } from './errors.ts'
import { type Binding, native } from './native.ts'
import { checkSignal } from './signal.ts'

/** How far a long operation is; `done` and `total` count texts or pairs. */
export interface Progress {
  phase: string
  done: number
  total?: number
}

export interface JobOptions {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: Progress) => void) | undefined
}

const POLL_MS = 100

/** A native error as the public class; one without our codes (a caught panic) is ERR_INTERNAL. */
function translate(error: unknown): unknown {
  const known = asUecError(error)
  if (known instanceof UecError || !(error instanceof Error)) return known
  return new UecError('ERR_INTERNAL', error.message, { cause: error })
}

/** Runs a synchronous native call with translated errors. */
export function call<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw translate(error)
  }
}

/**
 * Runs a native operation. An abort rejects with `signal.reason`, before the start or within it, at once: the native
 * work stops a little later by itself. What `onProgress` throws rejects, too.
 */
export async function run<T>(options: JobOptions, start: (job: Binding.Job) => Promise<T>): Promise<T> {
  const { onProgress } = options
  const signal = checkSignal(options.signal)
  signal?.throwIfAborted()
  const { Job } = native()
  const job = new Job()
  const work = call(() => start(job)).catch((error) => {
    throw translate(error)
  })
  return new Promise<T>((resolve, reject) => {
    let over = false
    const settle = (act: () => void) => {
      over = true
      clearInterval(timer)
      signal?.removeEventListener('abort', abort)
      act()
    }
    const stop = (reason: unknown) =>
      settle(() => {
        reject(reason)
        job.cancel()
      })
    const abort = () => stop(signal?.reason)
    const report = reporter(job, onProgress, stop)
    const timer = onProgress && setInterval(report, POLL_MS)
    signal?.addEventListener('abort', abort, { once: true })
    work.then(
      (result) => {
        if (!over) report()
        settle(() => resolve(result))
      },
      (error) => settle(() => reject(error)),
    )
  })
}

/** Tells `onProgress` what is new, until it throws, which goes to `failed`. */
function reporter(
  job: Binding.Job,
  onProgress: JobOptions['onProgress'],
  failed: (error: unknown) => void,
): () => void {
  let last = ''
  return () => {
    const progress = job.progress() as Progress
    const key = `${progress.phase} ${progress.done} ${progress.total}`
    if (key === last || progress.phase === 'idle') return
    last = key
    try {
      onProgress?.(progress)
    } catch (error) {
      failed(error)
    }
  }
}
