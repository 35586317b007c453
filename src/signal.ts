/** Abort signals: every asynchronous function rejects with `signal.reason`, before and while it works. */

import { invalid } from './errors.ts'
import { describe } from './options.ts'

/** Refuses anything but an AbortSignal (of any realm) or undefined. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal) {
    return signal as AbortSignal
  }
  throw invalid(`signal must be an AbortSignal, not ${describe(signal)}`)
}

/**
 * Runs `work`, and rejects with the signal's reason as soon as it is aborted. The work gets the same signal and
 * stops by itself a little later. It begins after one microtask, so that an abort right after the call counts.
 */
export async function abortable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  signal.throwIfAborted()
  const begun = Promise.resolve().then(() => {
    signal.throwIfAborted()
    return work()
  })
  return untilAborted(signal, begun)
}

/** The promise's result, or the signal's reason if that comes first. */
export async function untilAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
