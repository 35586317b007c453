/** Abort signals and the event loop: every call rejects with signal.reason, before and while it works. */

import { getEventListeners } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Api, batch, ids, manyRows } from './fixtures.ts'

/** When all that needs no turn of the event loop is done: whatever does need one is then under way. */
const begun = () => new Promise<void>((resolve) => process.nextTick(resolve))

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

  describe('calls on an index', () => {
    const all = lots()
    const names = ids(all.length)
    let folder: string
    let file: string
    let index: InstanceType<Api['GaussianIndex']>
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'uec-abort-'))
      file = join(folder, 'index.uec')
      index = new api.GaussianIndex({ dimension: 64 })
      await index.add(names, all)
      await index.save(file)
    })
    afterAll(async () => {
      index.dispose()
      await rm(folder, { recursive: true })
    })

    /** Without the journal of the one that is opened. */
    const files = async () => (await readdir(folder)).filter((name) => !name.endsWith('.journal'))
    const asked: string[] = []
    const other = () => join(folder, 'other.uec')
    const calls: [string, (signal: AbortSignal) => Promise<unknown>][] = [
      ['add', (signal) => index.add(names.with(0, 'new'), all, { signal })],
      ['remove', (signal) => index.remove(names, { signal })],
      ['filter', (signal) => index.filter((id) => asked.push(id) > 0, { signal })],
      ['verify', (signal) => index.verify({ signal })],
      ['save', (signal) => index.save(other(), { signal })],
    ]
    const nothingHappened = async () => {
      await index.remove([]) // waits for all changes before it
      expect([index.size, index.has('new')]).toEqual([names.length, false])
      expect(asked).toEqual([])
      expect(await files()).toEqual(['index.uec'])
    }

    test.each(calls)('%s of one aborted before does nothing', async (_, call) => {
      await expect(call(AbortSignal.abort('early'))).rejects.toBe('early')
      await nothingHappened()
    })

    const changes = calls.filter(([name]) => ['add', 'remove', 'save'].includes(name))
    test.each(changes)(
      '%s aborted while it waits for the changes before it does nothing',
      async (_, call) => {
        const controller = new AbortController()
        const order: string[] = []
        const before = index.add(names, all).then(() => order.push('before'))
        const waiting = call(controller.signal).finally(() => order.push('aborted'))
        await begun()
        controller.abort('stop')
        await expect(waiting).rejects.toBe('stop')
        await before
        expect(order).toEqual(['aborted', 'before'])
        expect(getEventListeners(controller.signal, 'abort')).toEqual([])
        await nothingHappened()
      },
    )

    const reading = calls.slice(2) // the others change the index: below
    test.each(reading)('%s of a signal that never fires keeps no listener', async (_, call) => {
      const { signal } = new AbortController()
      await call(signal)
      expect(getEventListeners(signal, 'abort')).toEqual([])
      asked.length = 0
      await rm(other(), { force: true })
    })

    test('open', async () => {
      await expect(api.GaussianIndex.open(file, { signal: AbortSignal.abort('early') })).rejects.toBe('early')
      const controller = new AbortController()
      const opening = api.GaussianIndex.open(file, { signal: controller.signal })
      await begun()
      controller.abort('stop')
      await expect(opening).rejects.toBe('stop')
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
      const { signal } = new AbortController()
      using opened = await api.GaussianIndex.open(file, { signal })
      expect(opened.size).toBe(names.length)
      expect(getEventListeners(signal, 'abort')).toEqual([])
    })

    test.each(['verify', 'filter'])('%s while it works', async (name) => {
      const controller = new AbortController()
      const call = new Map(calls).get(name)!
      const work = call(controller.signal)
      if (name === 'filter') while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
      else await begun()
      controller.abort('stop')
      await expect(work).rejects.toBe('stop')
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
      await index.remove([])
      expect(asked.length).toBeLessThan(names.length)
      asked.length = 0
    })

    test('filter asks no further once its predicate has aborted it', async () => {
      const controller = new AbortController()
      const seen: string[] = []
      const predicate = (id: string) => {
        if (seen.push(id) === 3) controller.abort('found')
        return true
      }
      await expect(index.filter(predicate, { signal: controller.signal })).rejects.toBe('found')
      expect(seen).toEqual(['d0', 'd1', 'd2'])
    })

    test('save while it works: the old file or the new one, whole, and nothing beside it', async () => {
      using small = new api.GaussianIndex({ dimension: 64 })
      await small.add(['one'], many.slice(0, 1))
      await small.save(other())
      const before = await readFile(other())
      const controller = new AbortController()
      const saving = index.save(other(), { signal: controller.signal })
      await begun()
      controller.abort('stop')
      await expect(saving).rejects.toBe('stop')
      await index.remove([])
      expect(await files()).toEqual(['index.uec', 'other.uec'])
      const after = await readFile(other())
      expect(after.equals(before) || after.equals(await readFile(file))).toBe(true)
      await rm(other())
    })

    test('add and remove while they work: all or nothing, and later calls see which', async () => {
      const abort = async (call: (signal: AbortSignal) => Promise<unknown>, delay: number) => {
        const controller = new AbortController()
        const work = call(controller.signal).then(
          () => 'done',
          (reason: unknown) => reason,
        )
        await begun()
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
        controller.abort('stop')
        const outcome = await work
        expect(getEventListeners(controller.signal, 'abort')).toEqual([])
        return outcome
      }
      const some = all.slice(0, 30_000)
      const theirs = names.slice(0, some.length)
      const outcomes: unknown[] = []
      for (const delay of [0, 1, 2, 3, 5, 8, 12, 20, 30]) {
        using fresh = new api.GaussianIndex({ dimension: 64 })
        const settled = async (outcome: unknown, done: number) => {
          outcomes.push(outcome)
          await fresh.remove([]) // waits for what has been aborted
          const { size } = await fresh.filter(() => true)
          expect(outcome === 'done' ? [done] : [0, some.length]).toContain(size)
          expect(fresh.size).toBe(size)
          await fresh.verify()
        }
        await settled(await abort((signal) => fresh.add(theirs, some, { signal }), delay), some.length)
        const { signal } = new AbortController()
        await fresh.add(theirs, some, { signal })
        expect(fresh.size).toBe(some.length)
        await settled(await abort((signal) => fresh.remove(theirs, { signal }), delay), 0)
        await fresh.remove(theirs, { signal })
        expect(fresh.size).toBe(0)
        expect(getEventListeners(signal, 'abort')).toEqual([])
      }
      expect(outcomes[0]).toBe('stop')
    })

    test.each<[string, (options: never) => Promise<unknown>]>([
      ['add', (options) => index.add(['x'], many.slice(0, 1), options)],
      ['remove', (options) => index.remove(['d0'], options)],
      ['filter', (options) => index.filter(() => true, options)],
      ['verify', (options) => index.verify(options)],
      ['save', (options) => index.save(other(), options)],
      ['open', (options) => api.GaussianIndex.open(file, options)],
    ])('%s refuses what is no signal', async (_, call) => {
      for (const options of [{ signal: 3 }, { signal: {} }, { sign: AbortSignal.abort() }, null])
        await expect(call(options as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    })
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
