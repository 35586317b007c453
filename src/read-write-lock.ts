/** Order for asynchronous work on one object: calls take effect in the order in which they were made. */

/** Reads run beside each other; a write waits for everything before it, and everything after it waits for the write. */
export class ReadWriteLock {
  #lastWrite: Promise<unknown> = Promise.resolve()
  #everything: Promise<unknown> = Promise.resolve()

  read<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#lastWrite.then(work)
    this.#everything = settled(this.#everything, run)
    return run
  }

  write<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#everything.then(work)
    this.#lastWrite = this.#everything = settled(run)
    return run
  }
}

/** Resolves with nothing, so that no result outlives its caller's interest. */
async function settled(...work: Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(work)
}
