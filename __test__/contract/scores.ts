/** Scores of single pairs and all pairs against the golden files and the facts of method §6. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SCORES, type Score } from '../../src/scores.ts'
import { type Api, batch, expectNear, golden, rowsOf } from './fixtures.ts'

type Scale = Record<string, number>

interface ScoreCase {
  id: number
  kind: string
  mu_q: number[]
  v_q: number[]
  mu_c: number[]
  v_c: number[]
  expect: Record<string, number | null> & {
    uec: number[]
    mu_s: number
    sigma2: number
    prob_cosine: { mean: number; folded: number[] } | null
  }
  scale: Scale
}

const PLAIN: readonly [Score, string][] = [
  ['cosine', 'cosine'],
  ['wasserstein2', 'wasserstein2'],
  ['jeffreys', 'jeffreys'],
  ['kl', 'kl'],
  ['bhattacharyya', 'bhattacharyya'],
  ['expected-likelihood', 'expected_likelihood'],
  ['csd', 'csd'],
]

export function scoresContract(api: Api): void {
  const { betas, cases } = golden<{ betas: number[]; cases: ScoreCase[] }>('scores')
  const pairOf = (c: ScoreCase) =>
    [
      batch(api, [{ mean: c.mu_q, variance: c.v_q }]),
      batch(api, [{ mean: c.mu_c, variance: c.v_c }]),
    ] as const

  describe('golden scores', () => {
    test.each(cases.map((c) => [c.id, c.kind, c] as const))('case %i, %s', async (_, __, c) => {
      const [query, candidate] = pairOf(c)
      const muScale = c.scale.mu_s!
      for (const [score, name] of PLAIN) {
        const got = await api.pairwiseSimilarity(query, candidate, { score })
        expectNear(got.scores[0]!, c.expect[name]!, c.scale[name === 'cosine' ? 'mu_s' : name])
        expectNear(got.similarities[0]!, c.expect.mu_s, muScale)
        expectNear(got.deviations[0]!, Math.sqrt(c.expect.sigma2))
      }
      for (const [i, beta] of betas.entries()) {
        const uec = await api.pairwiseSimilarity(query, candidate, { beta })
        expectNear(uec.scores[0]!, c.expect.uec[i]!, muScale)
        const folded = await api.pairwiseSimilarity(query, candidate, { score: 'prob-cosine', beta })
        expectNear(folded.scores[0]!, c.expect.prob_cosine && c.expect.prob_cosine.folded[i]!, muScale)
      }
    })

    test('all pairs agree to 1e-5 of the sum of absolute terms', async () => {
      for (const c of cases) {
        const [query, candidate] = pairOf(c)
        for (const [score, name] of PLAIN) {
          const { scores } = await api.similarity(query, candidate, { score })
          const scale = c.scale[name === 'cosine' ? 'mu_s' : name] ?? Math.abs(c.expect[name] ?? 0)
          expectNear(scores[0]!, c.expect[name]!, 1e7 * scale)
        }
        const { scores, deviations } = await api.similarity(query, candidate)
        expectNear(scores[0]!, c.expect.uec[betas.indexOf(1)]!, 1e7 * c.scale.mu_s!)
        expectNear(deviations[0]!, Math.sqrt(c.expect.sigma2), 0, 1e-5)
      }
    })
  })

  describe('facts about the scores', () => {
    const pairs = rowsOf(5, { min: 2, max: 2 })
    const one = (row: { mean: number[]; variance: number[] }) => batch(api, [row])

    test('uec: |ŝ| <= |μ_s|, same sign, symmetric, and towards 0 as β grows', async () => {
      const property = fc.asyncProperty(pairs, async ([q, c]) => {
        let last = Infinity
        for (const beta of [0, 0.5, 1, 10, 1e6]) {
          const forth = await api.pairwiseSimilarity(one(q!), one(c!), { beta })
          const back = await api.pairwiseSimilarity(one(c!), one(q!), { beta })
          const score = forth.scores[0]!
          expect(Math.abs(score)).toBeLessThanOrEqual(Math.abs(forth.similarities[0]!))
          expect(score * forth.similarities[0]!).toBeGreaterThanOrEqual(0)
          expectNear(back.scores[0]!, score, 1, 1e-6)
          expect(Math.abs(score)).toBeLessThanOrEqual(last)
          last = Math.abs(score)
          if (beta === 0) expect(score).toBe(forth.similarities[0])
        }
      })
      await fc.assert(property, { numRuns: 50 })
    })

    test('every score is a number, whatever the variances', async () => {
      const wild = fc.constantFrom(0, 1.401298464324817e-45, 1e-40, 1e-8, 1, 1e30, 3.4e38)
      const row = fc.record({
        mean: fc.array(fc.constantFrom(0, 1e-45, -1, 1, 3e38, -3e38), { minLength: 3, maxLength: 3 }),
        variance: fc.array(wild, { minLength: 3, maxLength: 3 }),
      })
      const property = fc.asyncProperty(row, row, fc.constantFrom(...SCORES), async (q, c, score) => {
        for (const compare of [api.pairwiseSimilarity, api.similarity]) {
          const got = await compare(one(q), one(c), { score })
          for (const numbers of [got.scores, got.similarities, got.deviations])
            expect(numbers[0]).not.toBeNaN()
        }
      })
      await fc.assert(property, { numRuns: 300 })
    })

    test('pairwise is the diagonal of all pairs, and a row does not depend on its neighbours', async () => {
      const property = fc.asyncProperty(
        rowsOf(9, { min: 1, max: 6 }, 1e-3),
        fc.constantFrom(...SCORES),
        async (rows, score) => {
          const queries = batch(api, rows)
          const candidates = batch(api, [...rows].reverse())
          const diagonal = await api.pairwiseSimilarity(queries, candidates, { score })
          const all = await api.similarity(queries, candidates, { score })
          for (let i = 0; i < rows.length; i++) {
            const alone = await api.pairwiseSimilarity(queries.slice(i, i + 1), candidates.slice(i, i + 1), {
              score,
            })
            expect(alone.scores[0]).toBe(diagonal.scores[i])
            // Sum of the absolute terms: at most D terms of about 4/1e-3 each way.
            expectNear(all.scores[i * rows.length + i]!, diagonal.scores[i]!, 1e7 * 9 * 8000)
            expectNear(all.similarities[i * rows.length + i]!, diagonal.similarities[i]!, 1e7 * 9)
          }
        },
      )
      await fc.assert(property, { numRuns: 50 })
    })

    test('no rows give no scores', async () => {
      const none = batch(api, [], 3)
      const some = batch(api, [{ mean: [1, 0, 0], variance: [0, 0, 0] }])
      expect((await api.pairwiseSimilarity(none, none)).scores).toHaveLength(0)
      expect((await api.similarity(none, some)).scores).toHaveLength(0)
      expect((await api.similarity(some, none)).deviations).toHaveLength(0)
    })
  })
}
