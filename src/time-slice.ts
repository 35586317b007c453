/**
 * Long work in plain JavaScript without blocking the event loop: at most {@link SLICE_MS} between two turns of the
 * loop, however many calls are under way. Waiting calls stand in one queue, and each turn of the loop continues one.
 */

const SLICE_MS = 8
/** Units of work (about one multiplication each) between two looks at the clock. */
const CLOCK_UNITS = 32_768

const waiting: (() => void)[] = []
let sliceStart = performance.now()

/** One call's view of the shared slices. */
export class TimeSlice {
  readonly #signal: AbortSignal | undefined
  #units = 0

  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /** Counts `units` of work done; true when it is time to `await this.next()`. */
  spent(units: number): boolean {
    this.#units += units
    if (this.#units < CLOCK_UNITS) return false
    this.#units = 0
    return performance.now() - sliceStart > SLICE_MS
  }

  /** Lets the event loop turn. Rejects with the signal's reason once that is aborted. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 1) afterTurn(resume)
    })
    this.#signal?.throwIfAborted()
  }
}

function resume(): void {
  sliceStart = performance.now()
  waiting.shift()?.()
  if (waiting.length > 0) afterTurn(resume)
}

/** A macrotask: setImmediate where there is one (Node), a message to oneself elsewhere (browsers). */
const afterTurn: (work: () => void) => void =
  typeof setImmediate === 'function'
    ? setImmediate
    : (work) => {
        const { port1, port2 } = new MessageChannel()
        const onmessage = () => {
          port1.close()
          work()
        }
        Object.assign(port1, { onmessage })
        port2.postMessage(0)
      }
