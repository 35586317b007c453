/** Abort signals and the event loop: every call rejects with signal.reason, before and while it works. */

import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { type Api, batch, ids, manyRows } from './fixtures.ts'

export function abortContract(api: Api): void {
  const rows = manyRows(2000, 64)
  const many = batch(api, rows)
  const few = many.slice(0, 400)

  const calls: [string, (signal: AbortSignal) => Promise<unknown>][] = [
    ['similarity', (signal) => api.similarity(few, many, { signal })],
    ['pairwiseSimilarity', (signal) => api.pairwiseSimilarity(many, many, { signal, score: 'kl' })],
    ['convolve', (signal) => api.convolve([many, many, many], { signal })],
    [
      'search',
      async (signal) => {
        using index = new api.GaussianIndex({ dimension: 64 })
        await index.add(ids(2000), many)
        return index.search(many, { signal })
      },
    ],
  ]

  describe.each(calls)('abort of %s', (_, call) => {
    test('before it starts', async () => {
      const reason = new Error('no longer needed')
      await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason)
      await expect(call(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    })

    test('in the same turn', async () => {
      const controller = new AbortController()
      const promise = call(controller.signal)
      controller.abort('stop')
      await expect(promise).rejects.toBe('stop')
    })
  })

  const lots = () => api.GaussianBatch.concat(Array.from({ length: 50 }, () => many))
  test.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
    ['similarity', (signal) => api.similarity(many, many, { signal, score: 'bhattacharyya' })],
    [
      'pairwiseSimilarity',
      (signal) => api.pairwiseSimilarity(lots(), lots(), { signal, score: 'bhattacharyya' }),
    ],
    ['convolve', (signal) => api.convolve(Array(8).fill(lots()), { signal })],
  ])('abort of %s while it runs', async (_, call) => {
    const controller = new AbortController()
    const promise = call(controller.signal)
    setTimeout(() => controller.abort('stop'), 3)
    await expect(promise).rejects.toBe('stop')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('a signal that never fires changes nothing and keeps no listener', async () => {
    const { signal } = new AbortController()
    const [query, candidate] = [many.slice(0, 2), many.slice(2, 4)]
    expect(await api.similarity(query, candidate, { signal })).toEqual(await api.similarity(query, candidate))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('while a search runs; the index works on', async () => {
    using index = new api.GaussianIndex({ dimension: 64 })
    await index.add(ids(2000), many)
    const controller = new AbortController()
    const promise = index.search(many, { signal: controller.signal })
    setTimeout(() => controller.abort('stop'), 5)
    await expect(promise).rejects.toBe('stop')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    const hits = await index.search(many.slice(0, 1), { score: 'wasserstein2', k: 1 })
    expect(hits.of(0)[0]!.id).toBe('d0')
  })

  test('the event loop turns while long work runs', async () => {
    let done = false
    let turns = 0
    const work = Promise.all([api.similarity(few, many), api.similarity(few, many)]).then(() => {
      done = true
    })
    const start = process.cpuUsage()
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve))
      turns++
    }
    await work
    // Slices are 8 ms. Of processor time, so that a busy machine does not matter; native work has several threads.
    const { user, system } = process.cpuUsage(start)
    expect(turns).toBeGreaterThanOrEqual((user + system) / 1000 / 50)
  })
}
