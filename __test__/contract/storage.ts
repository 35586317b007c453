/** The ways to keep rows: what is lossy and how much, what is the same bit for bit, and what readers see meanwhile. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SCORES } from '../../src/scores.ts'
import type { Prefilter, Storage } from '../../src/storage.ts'
import { type Api, batch, expectCode, ids, manyRows, type Rows, rowsOf } from './fixtures.ts'

type Kept = { storage: Storage; prefilter: Prefilter }
export const KEPT: Kept[] = [
  { storage: 'float32', prefilter: 'none' },
  { storage: 'float32', prefilter: 'int8' },
  { storage: 'float16', prefilter: 'none' },
  { storage: 'int8', prefilter: 'none' },
]

/** Rows that every storage keeps: int8 has no codes for means of denormals alone. */
export const keepable = (dimension: number, count: { min: number; max: number }) =>
  rowsOf(dimension, count).filter((rows) => rows.every(({ mean }) => mean.some((x) => Math.abs(x) > 1e-30)))

/** Bytes of a row of dimension D. */
const BYTES: Record<Storage, (dimension: number) => number> = {
  float32: (dimension) => 8 * dimension,
  float16: (dimension) => 4 * dimension + 8,
  int8: (dimension) => 2 * dimension + 8,
}

export function storageContract(api: Api): void {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uec-storage-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  type Index = InstanceType<Api['GaussianIndex']>
  const filled = async (kept: Kept, rows: readonly Rows[], names = ids(rows.length)) => {
    const index = new api.GaussianIndex({ dimension: rows[0]!.mean.length, ...kept })
    await index.add(names, batch(api, rows))
    return index
  }
  /** The rows as they are kept, in an index that keeps what it is given. */
  const decoded = async (index: Index) => {
    const kept = index.ids().map((id) => index.get(id)!)
    const rows = kept.map(({ mean, variance }) => ({ mean: [...mean], variance: [...variance] }))
    return filled(KEPT[0]!, rows, [...index.ids()])
  }

  describe.each(KEPT)('rows kept as $storage with prefilter $prefilter', (kept) => {
    const { storage, prefilter } = kept

    test('say so', async () => {
      const rows = manyRows(20_000, 12)
      using index = await filled(kept, rows)
      expect([index.storage, index.prefilter, index.readonly]).toEqual([storage, prefilter, false])
      const row = BYTES[storage](12) + (prefilter === 'int8' ? 12 + 8 : 0)
      const stored = rows.length * row + ids(rows.length).join('').length
      expect(index.bytes).toBeGreaterThanOrEqual(stored)
      const file = join(folder, 'kept.uec')
      await index.save(file)
      using opened = await api.GaussianIndex.open(file, { readonly: true })
      expect([opened.storage, opened.prefilter, opened.readonly]).toEqual([storage, prefilter, true])
      expect(opened.bytes).toBeGreaterThanOrEqual(stored)
      expect(opened.get('d7')).toEqual(index.get('d7'))
      await opened.verify()
    })

    test('are searched exactly as what get gives, by every score', async () => {
      const score = fc.constantFrom(...SCORES)
      const property = fc.asyncProperty(keepable(11, { min: 1, max: 30 }), score, async (rows, score) => {
        // Twice, so that every score is tied.
        using index = await filled(kept, [...rows, ...rows])
        using plain = await decoded(index)
        const queries = batch(api, rows.slice(0, 3))
        const options = { score, k: 7 }
        expect(await index.search(queries, options)).toEqual(await plain.search(queries, options))
      })
      await fc.assert(property, { numRuns: 60 })
    })

    test('stay within the bounds of their encoding', async () => {
      const property = fc.asyncProperty(keepable(9, { min: 1, max: 4 }), async (rows) => {
        using index = await filled(kept, rows)
        for (const [i, row] of rows.entries()) {
          const found = index.get(`d${i}`)!
          for (const part of ['mean', 'variance'] as const) {
            const given = row[part].map(Math.fround)
            const most = Math.max(...given.map(Math.abs))
            const steps = part === 'mean' ? 127 : 255
            for (const [d, x] of given.entries()) {
              const error = Math.abs(found[part][d]! - x)
              if (storage === 'float32') expect(found[part][d]).toBe(x)
              else if (storage === 'float16')
                expect(error).toBeLessThanOrEqual(Math.max(Math.abs(x) * 2 ** -11, most * 2 ** -39))
              else expect(error).toBeLessThanOrEqual((most / steps / 2) * (1 + 1e-5))
            }
          }
        }
      })
      await fc.assert(property, { numRuns: 100 })
    })

    test('are changed on the disk as in memory, to the same bytes', async () => {
      const rows = manyRows(40, 7)
      const [file, other] = [join(folder, 'changed.uec'), join(folder, 'fresh.uec')]
      using empty = new api.GaussianIndex({ dimension: 7, ...kept })
      await empty.save(file)
      const change = async (index: Index) => {
        await index.add(ids(30), batch(api, rows.slice(0, 30)))
        await index.remove(['d3', 'd29'])
        await index.add(['d3', 'd4'], batch(api, rows.slice(30, 32)))
      }
      {
        using index = await api.GaussianIndex.open(file)
        await change(index)
      }
      {
        using index = await api.GaussianIndex.open(file)
        await index.save(file)
      }
      using index = new api.GaussianIndex({ dimension: 7, ...kept })
      await change(index)
      await index.save(other)
      expect(await readFile(file)).toEqual(await readFile(other))
    })

    test('are opened by memory map, too', async () => {
      const file = join(folder, 'mapped.uec')
      using index = await filled(kept, manyRows(300, 9))
      await index.save(file)
      using mapped = await api.GaussianIndex.open(file, { mmap: true, readonly: true })
      const queries = batch(api, manyRows(3, 9, 5))
      expect(await mapped.search(queries)).toEqual(await index.search(queries))
      expect(mapped.ids()).toEqual(index.ids())
      await mapped.verify()
    })
  })

  test('a row that int8 makes all zero is refused', async () => {
    using index = new api.GaussianIndex({ dimension: 2, storage: 'int8' })
    const tiny = 2 ** -149
    const rows = batch(api, [
      { mean: [1, 1], variance: [0, 0] },
      { mean: [tiny, 0], variance: [1, 1] },
    ])
    await expectCode(index.add(['a', 'b'], rows), 'ERR_INVALID_ARGUMENT', /zero/)
    expect(index.size).toBe(0)
  })

  test('a prefilter of lossy rows is refused with the reason', () => {
    for (const storage of ['float16', 'int8'] as const) {
      expect(() => new api.GaussianIndex({ dimension: 2, storage, prefilter: 'int8' })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(/float32/) }),
      )
    }
  })

  describe('while an index changes', () => {
    test('every call sees all of a change or nothing, and what had resolved before', async () => {
      const rows = batch(api, manyRows(4000, 32))
      const names = ids(4000)
      using index = new api.GaussianIndex({ dimension: 32 })
      await index.add(names.slice(0, 2000), rows.slice(0, 2000))
      let done = false
      const changes = (async () => {
        for (let i = 0; i < 8; i++) {
          await index.remove(names.slice(1000, 2000))
          expect(index.size).toBe(1000)
          await index.add(names.slice(1000, 2000), rows.slice(2000, 3000))
          expect(index.size).toBe(2000)
        }
        done = true
      })()
      const query = rows.slice(0, 1)
      let looks = 0
      while (!done) {
        // Each by itself: a change may end between two of them.
        expect([1000, 2000]).toContain(index.size)
        expect([1000, 2000]).toContain(index.ids().length)
        expect([undefined, 32]).toContain(index.get('d1999')?.mean.length)
        const [all, some, chosen] = await Promise.all([
          index.search(query, { k: 4000 }),
          index.search(query, { k: 4000, filter: names.slice(500, 1500) }),
          index.filter(() => true),
        ])
        expect([1000, 2000]).toContain(all.counts[0])
        expect([500, 1000]).toContain(some.counts[0])
        expect([1000, 2000]).toContain(chosen.size)
        looks++
      }
      await changes
      expect(looks).toBeGreaterThan(0)
    })

    test('a filter that takes long to look up counts ids of one state', async () => {
      const rows = manyRows(2000, 4)
      const names = ids(2000)
      const filter = [...names.slice(0, 1000), ...ids(400_000, 'unknown'), ...names.slice(1000)]
      using index = await filled(KEPT[0]!, rows)
      const query = batch(api, rows.slice(0, 1))
      for (let i = 0; i < 3; i++) {
        const searching = index.search(query, { k: 2000, filter })
        await index.remove([...names.slice(0, 500), ...names.slice(1500)])
        expect([1000, 2000]).toContain((await searching).counts[0])
        await index.add(names, batch(api, rows))
      }
    })

    test('a search that began before a change does not see it', async () => {
      const rows = manyRows(3000, 32)
      using index = await filled(KEPT[0]!, rows)
      const searching = index.search(batch(api, rows.slice(0, 8)), { k: 3000 })
      const removing = index.remove(ids(2000))
      expect([...(await searching).counts]).toEqual(Array(8).fill(3000))
      expect(await removing).toBe(2000)
      expect([...(await index.search(batch(api, rows.slice(0, 1)), { k: 3000 })).counts]).toEqual([1000])
    })
  })
}
