/** Items of a caller's iterable, sync or async, one at a time. */

import { invalid } from './errors.ts'
import { describe } from './options.ts'
import { untilAborted } from './signal.ts'

export type Items<T> = Iterable<T> | AsyncIterable<T>

/** Refuses anything but an iterable; a string, whose items are letters, is a mistake too. */
export function checkItems(what: string, data: unknown): void {
  const iterable =
    typeof data === 'object' && data !== null && (Symbol.iterator in data || Symbol.asyncIterator in data)
  if (!iterable) throw invalid(`${what} must be iterable, such as an array, not ${describe(data)}`)
}

/**
 * The items. An abort rejects with the signal's reason at once, even while the source keeps us waiting. The source is
 * closed when the caller stops early; after an abort we do not wait for that, because it may be stuck.
 */
export async function* eachItem<T>(data: Items<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void> {
  const iterator =
    Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : (data as Iterable<T>)[Symbol.iterator]()
  let ended = false
  try {
    while (true) {
      signal?.throwIfAborted()
      const step = iterator.next()
      const { done, value } = step instanceof Promise ? await untilAborted(signal, step) : await step
      if (done) {
        ended = true
        return
      }
      yield value
    }
  } finally {
    const closed = ended ? undefined : iterator.return?.()
    if (!signal?.aborted) await closed
    else Promise.resolve(closed).catch(() => {})
  }
}
