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

/** Runs a native operation. An abort rejects with `signal.reason`, before the start or within it. */
export async function run<T>(options: JobOptions, start: (job: Binding.Job) => Promise<T>): Promise<T> {
  const { signal, onProgress } = options
  checkSignal(signal)?.throwIfAborted()
  const { Job } = native()
  const job = new Job()
  const abort = () => job.cancel()
  signal?.addEventListener('abort', abort, { once: true })
  let last = ''
  const report = () => {
    const progress = job.progress() as Progress
    const key = `${progress.phase} ${progress.done} ${progress.total}`
    if (key === last || progress.phase === 'idle') return
    last = key
    onProgress?.(progress)
  }
  let callbackFailed: unknown
  const timer = onProgress
    ? setInterval(() => {
        try {
          report()
        } catch (error) {
          callbackFailed ??= { error }
          job.cancel()
        }
      }, POLL_MS)
    : undefined
  try {
    const result = await start(job)
    if (onProgress) report()
    return result
  } catch (error) {
    if (callbackFailed) throw (callbackFailed as { error: unknown }).error
    if (signal?.aborted && (error as { code?: unknown }).code === 'ABORTED') throw signal.reason
    throw translate(error)
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
  }
}
