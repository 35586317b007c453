/** Random sequences of calls against a plain model, and random shards against one index: both exactly. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Hits } from '../../src/hits.ts'
import { SCORES } from '../../src/scores.ts'
import { type Api, batch, ids } from './fixtures.ts'
import { KEPT, keepable } from './storage.ts'

const NAMES = ['', 'a', 'b', 'ä', '日本', '🙂', 'g', 'h', 'i', 'j']

export function modelContract(api: Api): void {
  type Index = InstanceType<Api['GaussianIndex']>
  const row = (x: number) => ({ mean: [x, 1], variance: [x / 4, 0.5] })
  const name = fc.constantFrom(...NAMES)
  const changes = [
    fc.record({ add: fc.uniqueArray(name, { maxLength: 10 }), value: fc.integer({ min: 1, max: 99 }) }),
    fc.record({ remove: fc.array(name, { maxLength: 8 }) }),
  ]
  const kept = fc.constantFrom(...KEPT)

  /** The same rows in the same order in an index made at once. */
  const plain = async (index: Index, model: ReadonlyMap<string, number>) => {
    const { dimension, storage, prefilter } = index
    const made = new api.GaussianIndex({ dimension, storage, prefilter })
    await made.add([...model.keys()], batch(api, [...model.values()].map(row), 2))
    return made
  }
  const expectEqual = async (index: Index, model: ReadonlyMap<string, number>) => {
    using made = await plain(index, model)
    expect(index.ids()).toEqual([...model.keys()])
    expect(index.size).toBe(model.size)
    for (const id of NAMES) {
      expect(index.has(id)).toBe(model.has(id))
      expect(index.get(id)).toEqual(made.get(id))
    }
    const queries = batch(api, [row(3), row(50)])
    for (const options of [{ k: 4 }, { k: 20, score: 'wasserstein2' as const }, { filter: NAMES.slice(3) }]) {
      expect(await index.search(queries, options)).toEqual(await made.search(queries, options))
    }
  }

  test('1 000 random sequences of changes leave what a plain map holds', async () => {
    const sequence = fc.array(fc.oneof(...changes), { maxLength: 12 })
    const property = fc.asyncProperty(kept, sequence, async (kept, steps) => {
      using index = new api.GaussianIndex({ dimension: 2, ...kept })
      const model = new Map<string, number>()
      for (const step of steps) {
        if ('add' in step) {
          await index.add(step.add, batch(api, Array(step.add.length).fill(row(step.value)), 2))
          for (const id of step.add) model.set(id, step.value)
        } else {
          const there = new Set(step.remove.filter((id) => model.delete(id)))
          expect(await index.remove(step.remove)).toBe(there.size)
        }
      }
      await expectEqual(index, model)
    })
    await fc.assert(property, { numRuns: 1000 })
  })

  test('so they do with a file under them, closed, opened and compacted in between', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'uec-model-'))
    const file = join(folder, 'index.uec')
    const step = fc.oneof(...changes, fc.constantFrom({ file: 'open' }, { file: 'save' }, { file: 'read' }))
    const property = fc.asyncProperty(kept, fc.array(step, { maxLength: 10 }), async (kept, steps) => {
      using empty = new api.GaussianIndex({ dimension: 2, ...kept })
      await empty.save(file)
      let index = await api.GaussianIndex.open(file)
      const model = new Map<string, number>()
      for (const step of steps) {
        if ('add' in step) {
          await index.add(step.add, batch(api, Array(step.add.length).fill(row(step.value)), 2))
          for (const id of step.add) model.set(id, step.value)
        } else if ('remove' in step) {
          await index.remove(step.remove)
          for (const id of step.remove) model.delete(id)
        } else if (step.file === 'save') {
          await index.save(file)
        } else if (step.file === 'open') {
          index.dispose()
          index = await api.GaussianIndex.open(file)
        } else {
          using reader = await api.GaussianIndex.open(file, { readonly: true })
          expect(reader.ids()).toEqual([...model.keys()])
        }
      }
      await expectEqual(index, model)
      await index.verify()
      index.dispose()
    })
    await fc.assert(property, { numRuns: 100 }).finally(() => rm(folder, { recursive: true }))
  })

  test('hits of random shards, merged in any grouping, are those of one index over all', async () => {
    const property = fc.asyncProperty(
      keepable(3, { min: 1, max: 40 }),
      fc.array(fc.nat({ max: 80 }), { maxLength: 5 }),
      fc.record({
        k: fc.integer({ min: 1, max: 9 }),
        score: fc.constantFrom(...SCORES),
        minScore: fc.option(fc.constantFrom(0, -0.5), { nil: undefined }),
        every: fc.integer({ min: 1, max: 3 }),
      }),
      fc.tuple(kept, fc.boolean()),
      async (rows, cuts, { minScore, every, ...options }, [kept, nested]) => {
        const documents = [...rows, ...rows] // twice, so that every score is tied across shards
        const names = ids(documents.length)
        const queries = batch(api, rows.slice(0, 3))
        const filter = names.filter((_, i) => i % every === 0)
        const search = async (from: number, to: number) => {
          using index = new api.GaussianIndex({ dimension: 3, ...kept })
          await index.add(names.slice(from, to), batch(api, documents.slice(from, to), 3))
          const limits = { filter, ...(minScore !== undefined && { minScore }) }
          return index.search(queries, { ...options, ...limits })
        }
        const borders = [0, ...cuts.map((cut) => Math.min(cut, documents.length)), documents.length]
        borders.sort((x, y) => x - y)
        const parts: Hits[] = []
        for (const [i, to] of borders.slice(1).entries()) parts.push(await search(borders[i]!, to))
        const merged = nested
          ? parts.slice(1).reduce((left, right) => api.Hits.merge([left, right]), api.Hits.merge([parts[0]!]))
          : api.Hits.merge(parts)
        expect(merged).toEqual(await search(0, documents.length))
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })
}
