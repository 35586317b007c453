/** The calls of one object that are under way, so that disposing it can wait for them. */
export class RunningCalls {
  readonly #calls = new Set<Promise<unknown>>()

  /** Runs `work`; it counts until it settles. */
  track<T>(work: () => Promise<T>): Promise<T> {
    const call = work()
    this.#calls.add(call)
    const done = () => this.#calls.delete(call)
    call.then(done, done)
    return call
  }

  /** Resolves when everything that has begun has settled, however it did. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#calls)
  }
}
