/** Abort signals: every asynchronous function rejects with `signal.reason`, before and while it works. */

import { invalid } from './errors.ts'
import { checkOptions, describe } from './options.ts'

/** Options of a call that has no others. */
export interface CallOptions {
  /** Once it is aborted the call rejects with its reason. */
  signal?: AbortSignal
}

/** Refuses anything but an AbortSignal (of any realm) or undefined. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal) {
    return signal as AbortSignal
  }
  throw invalid(`signal must be an AbortSignal, not ${describe(signal)}`)
}

/** The signal of options that hold nothing else. */
export function signalOf(owner: string, options: CallOptions | undefined): AbortSignal | undefined {
  checkOptions(owner, options, ['signal'])
  return checkSignal(options?.signal)
}

/** Begins `work` after one microtask, so that an abort right after the call counts: then it never begins. */
export async function begin<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  signal.throwIfAborted()
  await undefined
  signal.throwIfAborted()
  return work()
}

/**
 * Begins `work`, and rejects with the signal's reason as soon as it is aborted. Work that gets the same signal stops
 * by itself a little later.
 */
export function abortable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  return untilAborted(signal, begin(signal, work))
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
