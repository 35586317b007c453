import { expect, test } from 'vitest'
import { TimeSlice } from '../src/time-slice.ts'

/** Busy for about `ms`, counted as work. */
async function work(ms: number, slice: TimeSlice): Promise<void> {
  const end = performance.now() + ms
  while (performance.now() < end) if (slice.spent(40_000)) await slice.next()
}

test('calls that work side by side leave the event loop free together', async () => {
  let done = false
  let turns = 0
  const start = process.cpuUsage()
  const all = Promise.all([1, 2, 3, 4, 5].map(() => work(200, new TimeSlice()))).then(() => {
    done = true
  })
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve))
    turns++
  }
  await all
  // One slice of 8 ms per turn, not five. Of processor time, so that a busy machine does not matter.
  const { user, system } = process.cpuUsage(start)
  expect(turns).toBeGreaterThanOrEqual((user + system) / 1000 / 20)
})

test('little work needs no turn of the event loop', () => {
  const slice = new TimeSlice()
  expect(slice.spent(100)).toBe(false)
})

test('an abort ends the work at the next slice', async () => {
  const controller = new AbortController()
  const promise = work(5000, new TimeSlice(controller.signal))
  setTimeout(() => controller.abort('stop'), 20)
  await expect(promise).rejects.toBe('stop')
})
