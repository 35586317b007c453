// How long the event loop stands still at most, in milliseconds. Needs --expose-gc.
import { readFileSync } from 'node:fs'

/** Milliseconds for which this thread waited for a processor that others had; 0 where the system does not say. */
function waited() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Milliseconds in which this thread ran, or waited for something other than a processor. */
export const clock = () => performance.now() - waited()

const turn = () => new Promise((resolve) => setTimeout(resolve, 1))

/** `measure` runs a call and notes in `gaps` how long it took and how long the loop stood still at most. */
export function measured() {
  const gaps = {}
  async function measure(name, call) {
    globalThis.gc() // what came before shall not be collected meanwhile
    let [running, longest] = [true, 0]
    const turning = (async () => {
      let last = clock()
      while (running) {
        await turn()
        const now = clock()
        longest = Math.max(longest, now - last)
        last = now
      }
    })()
    await turn()
    const start = performance.now()
    const result = await call()
    const took = performance.now() - start
    running = false
    await turning
    gaps[name] = { longest, took }
    return result
  }
  return { gaps, measure }
}
