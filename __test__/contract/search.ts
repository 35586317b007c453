/** The exact top k against the golden ranking, brute force, and the promises of GaussianIndex. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SCORES, type Score } from '../../src/scores.ts'
import { type Api, batch, expectNear, golden, ids, manyRows, type Rows, rowsOf } from './fixtures.ts'

interface TopKFile {
  d: number
  k: number
  documents: { mu: number[]; v: number[] }[]
  queries: { mu: number[]; v: number[] }[]
  results: {
    query: number
    rankings: Record<string, { index: number[]; score: number[]; mu_s?: number[]; sigma?: number[] }>
  }[]
}

export function searchContract(api: Api): void {
  const filled = async (rows: readonly Rows[], names = ids(rows.length)) => {
    const index = new api.GaussianIndex({ dimension: rows[0]!.mean.length })
    await index.add(names, batch(api, rows))
    return index
  }

  describe('golden top k', () => {
    const file = golden<TopKFile>('topk')
    const rows = (from: TopKFile['documents']) => from.map(({ mu, v }) => ({ mean: mu, variance: v }))
    const names = Object.keys(file.results[0]!.rankings)

    test.each(names)('%s', async (name) => {
      const [score, beta] = name.startsWith('uec') ? ['uec', Number(/\d+/.exec(name)![0])] : [name, 1]
      using index = await filled(rows(file.documents))
      const hits = await index.search(batch(api, rows(file.queries)), {
        score: score!.toString().replaceAll('_', '-') as Score,
        beta: beta as number,
        k: file.k,
      })
      for (const { query, rankings } of file.results) {
        const { index: expected, score: scores, mu_s, sigma } = rankings[name]!
        const found = hits.of(query)
        expect(found.map((hit) => hit.id)).toEqual(expected.map((i) => `d${i}`))
        for (const [i, hit] of found.entries()) {
          expectNear(hit.score, scores[i]!, 1)
          if (mu_s) expectNear(hit.similarity, mu_s[i]!, 1)
          if (sigma) expectNear(hit.deviation, sigma[i]!)
        }
      }
    })
  })

  describe('search', () => {
    const corpus = rowsOf(4, { min: 1, max: 40 })
    const anyScore = fc.constantFrom(...SCORES)

    test('gives what sorting every pairwise score gives, bit for bit, ties by position', async () => {
      const property = fc.asyncProperty(
        corpus,
        fc.integer({ min: 1, max: 12 }),
        anyScore,
        async (rows, k, score) => {
          // Each row twice: every score is tied.
          const documents = [...rows, ...rows]
          using index = await filled(documents)
          const query = batch(api, [rows[0]!])
          const hits = await index.search(query, { score, k })
          const repeated = batch(api, Array(documents.length).fill(rows[0]!))
          const all = await api.pairwiseSimilarity(repeated, batch(api, documents), { score })
          const order = [...all.scores.keys()].sort((x, y) => all.scores[y]! - all.scores[x]! || x - y)
          const found = hits.of(0)
          expect(found).toHaveLength(Math.min(k, documents.length))
          // Float64 scores order rows whose float32 roundings tie, so roundings and exact twins are compared (−0 as 0).
          expect(found.map((hit) => hit.score + 0)).toEqual(order.slice(0, k).map((i) => all.scores[i]! + 0))
          for (const [i, hit] of found.entries()) {
            const position = Number(hit.id.slice(1))
            expect(hit.similarity).toBe(all.similarities[position])
            expect(hit.deviation).toBe(all.deviations[position])
            const twin = found.findIndex((other) => other.id === `d${position + rows.length}`)
            if (twin >= 0) expect(twin).toBeGreaterThan(i)
          }
        },
      )
      await fc.assert(property, { numRuns: 100 })
    })

    test('minScore keeps score >= minScore; k above the size gives size hits', async () => {
      using index = await filled([
        { mean: [1, 0], variance: [0, 0] },
        { mean: [0.5, 0], variance: [0, 0] },
        { mean: [-1, 0], variance: [0, 0] },
      ])
      const query = batch(api, [{ mean: [1, 0], variance: [0, 0] }])
      expect((await index.search(query, { k: 2 ** 40 })).of(0).map((hit) => hit.score)).toEqual([1, 0.5, -1])
      expect((await index.search(query, { minScore: 0.5 })).of(0).map((hit) => hit.id)).toEqual(['d0', 'd1'])
      const none = await index.search(query, { minScore: 2, k: 2 })
      expect([...none.counts]).toEqual([0])
      expect([...none.indices]).toEqual([0xffffffff, 0xffffffff])
      expect([...none.scores, ...none.similarities, ...none.deviations]).toEqual(Array(6).fill(-Infinity))
      expect(none.ids).toEqual([])
      expect([...none.margins]).toEqual([0])
    })

    test('undefined scores are -Infinity and rank last, by position', async () => {
      using index = await filled([
        { mean: [1, 0], variance: [0, 1] },
        { mean: [0, 1], variance: [1, 1] },
        { mean: [1, 0], variance: [1, 0] },
      ])
      const hits = await index.search(batch(api, [{ mean: [1, 0], variance: [1, 1] }]), { score: 'kl' })
      expect(hits.of(0).map((hit) => hit.id)).toEqual(['d1', 'd0', 'd2'])
      expect(hits.of(0)[1]!.score).toBe(-Infinity)
    })

    test('filters: array, Set, index.filter(); unknown ids are ignored, an empty filter gives no hits', async () => {
      const rows = manyRows(700, 3)
      using index = await filled(rows)
      const query = batch(api, rows.slice(0, 2))
      const expected = (await index.search(query, { k: 700 }))
        .of(1)
        .filter((hit) => hit.id.endsWith('7'))
        .slice(0, 5)
      const chosen = await index.filter((id) => id.endsWith('7'))
      expect(chosen.size).toBe(70)
      const names = ids(700).filter((id) => id.endsWith('7'))
      for (const filter of [chosen, [...names, 'unknown', names[0]!], new Set(names)]) {
        expect((await index.search(query, { k: 5, filter })).of(1)).toEqual(expected)
      }
      for (const filter of [[], new Set<string>(), ['unknown'], await index.filter(() => false)]) {
        expect([...(await index.search(query, { filter })).counts]).toEqual([0, 0])
      }
      await index.remove(names.slice(1))
      expect((await index.search(query, { filter: chosen })).of(0).map((hit) => hit.id)).toEqual([names[0]])
    })

    test('size and bytes are known at once while rows are added', async () => {
      using index = new api.GaussianIndex({ dimension: 64 })
      const many = api.GaussianBatch.concat(Array(40).fill(batch(api, manyRows(1000, 64))))
      let done = false
      const adding = index.add(ids(40_000), many).then(() => {
        done = true
      })
      let longest = 0
      while (!done) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        const start = performance.now()
        expect([0, 40_000]).toContain(index.size)
        expect(index.bytes).toBeGreaterThanOrEqual(0)
        longest = Math.max(longest, performance.now() - start)
      }
      await adding
      expect(longest).toBeLessThan(10)
      expect(index.size).toBe(40_000)
      expect(await index.remove(['d0', 'd1', 'none'])).toBe(2)
      expect(index.size).toBe(39_998)
    })

    test('no queries and an empty index give no hits', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      const query = batch(api, [{ mean: [1, 0], variance: [0, 0] }])
      expect([...(await index.search(query)).counts]).toEqual([0])
      const hits = await index.search(query.slice(0, 0))
      expect(hits.queries).toBe(0)
      expect(hits.counts).toHaveLength(0)
    })
  })

  describe('rows', () => {
    const row = (x: number): Rows => ({ mean: [x, 1], variance: [x, 0] })
    const add = (index: InstanceType<Api['GaussianIndex']>, entries: Record<string, number>) =>
      index.add(Object.keys(entries), batch(api, Object.values(entries).map(row), 2))

    test('known ids are replaced in place, removal closes the gap, a removed id comes back last', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await add(index, { a: 1, b: 2, c: 3 })
      await add(index, { b: 5, d: 4 })
      expect(index.ids()).toEqual(['a', 'b', 'c', 'd'])
      expect([...index.get('b')!.mean]).toEqual([5, 1])
      expect(await index.remove(['a', 'a', 'unknown'])).toBe(1)
      expect(index.ids()).toEqual(['b', 'c', 'd'])
      expect(index.has('a')).toBe(false)
      expect(index.get('a')).toBeUndefined()
      await add(index, { a: 6 })
      expect(index.ids()).toEqual(['b', 'c', 'd', 'a'])
      expect([...index.get('d')!.variance]).toEqual([4, 0])
      expect(index.size).toBe(4)
      expect(index.bytes).toBeGreaterThanOrEqual(4 * 2 * 2 * 4)
      await index.verify()
    })

    test('what get returns is a copy', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await add(index, { a: 1 })
      index.get('a')!.mean.fill(9)
      expect([...index.get('a')!.mean]).toEqual([1, 1])
    })

    test('an index behaves as a list of rows, through any adds and removals', async () => {
      const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
      const step = fc.oneof(
        fc.record({ add: fc.uniqueArray(name, { maxLength: 5 }), value: fc.integer({ min: 1, max: 99 }) }),
        fc.record({ remove: fc.array(name, { maxLength: 5 }) }),
      )
      const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        using index = new api.GaussianIndex({ dimension: 2 })
        const model = new Map<string, number>()
        const changes: Promise<unknown>[] = []
        for (const s of steps) {
          // Each is not awaited before the next: changes take effect in the order of the calls.
          if ('add' in s) {
            changes.push(add(index, Object.fromEntries(s.add.map((id) => [id, s.value]))))
            for (const id of s.add) model.set(id, s.value)
          } else {
            changes.push(index.remove(s.remove))
            for (const id of s.remove) model.delete(id)
          }
        }
        await Promise.all(changes)
        const hits = await index.search(batch(api, [row(1)]), { score: 'wasserstein2', k: 9 })
        expect(index.ids()).toEqual([...model.keys()])
        const nearest = [...model].sort(([, x], [, y]) => x - y).map(([id]) => id)
        expect(hits.of(0).map((hit) => hit.id)).toEqual(nearest)
        for (const [id, value] of model) expect(index.get(id)!.mean[0]).toBe(value)
      })
      await fc.assert(property, { numRuns: 50 })
    })

    test('adding nothing and removing nothing change nothing', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await index.add([], batch(api, [], 2))
      expect(await index.remove([])).toBe(0)
      expect(index.size).toBe(0)
    })
  })

  describe('hits', () => {
    test('of several indexes merge to those of one index, whatever k', async () => {
      const property = fc.asyncProperty(
        rowsOf(3, { min: 1, max: 30 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 60 }),
        fc.constantFrom(...SCORES),
        async (rows, k, cut, score) => {
          const documents = [...rows, ...rows]
          const names = ids(documents.length)
          const queries = batch(api, rows.slice(0, 3))
          const search = async (from: number, to: number) => {
            using index = new api.GaussianIndex({ dimension: 3 })
            await index.add(names.slice(from, to), batch(api, documents.slice(from, to), 3))
            // Not awaited: dispose lets the calls made before it finish.
            return index.search(queries, { k, score })
          }
          const whole = await search(0, documents.length)
          const at = Math.min(cut, documents.length)
          const merged = api.Hits.merge([await search(0, at), await search(at, documents.length)])
          expect(merged).toEqual(whole)
          for (let query = 0; query < whole.queries; query++)
            expect(merged.of(query)).toEqual(whole.of(query))
        },
      )
      await fc.assert(property, { numRuns: 100 })
    })

    test('margins are best minus second score, for k = 1 too', async () => {
      using index = await filled([
        { mean: [1, 0], variance: [0, 0] },
        { mean: [0.25, 0], variance: [0, 0] },
      ])
      const query = batch(api, [{ mean: [1, 0], variance: [0, 0] }])
      for (const k of [1, 2, 3]) {
        const hits = await index.search(query, { k })
        expect([...hits.margins]).toEqual([0.75])
        expect(hits.ids).toEqual(k === 1 ? ['d0'] : ['d0', 'd1'])
      }
      expect([...(await index.search(query, { filter: ['d1'] })).margins]).toEqual([Infinity])
    })

    test('merging to another k', async () => {
      const rows = manyRows(20, 3)
      using index = await filled(rows)
      const hits = await index.search(batch(api, rows.slice(0, 1)), { k: 6 })
      expect(api.Hits.merge([hits], 3).of(0)).toEqual(hits.of(0).slice(0, 3))
      expect(() => api.Hits.merge([hits], 7)).toThrow(/k >= 7/)
    })
  })
}
