/** The calls of one object that are under way, so that disposing it can wait for them. */

import { begin, untilAborted } from './signal.ts'

export class RunningCalls {
  readonly #calls = new Set<Promise<unknown>>()

  /** Runs `work`; it counts until it settles, even where an abort has let its caller go before. */
  track<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const call = begin(signal, work)
    this.#calls.add(call)
    const done = () => this.#calls.delete(call)
    call.then(done, done)
    return untilAborted(signal, call)
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#calls.size === 0
  }

  /** Resolves when everything that has begun has settled, however it did. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#calls)
  }
}
