/** Two implementations give the same results: bits where one routine is promised, float32 roundings elsewhere. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CoefficientRule } from '../../src/coefficients.ts'
import { SCORES } from '../../src/scores.ts'
import { type Api, batch, expectNear, ids, manyRows, rowsOf } from './fixtures.ts'

/** Scores whose terms hold a logarithm, which may differ in its last place. */
const LOGARITHMIC = new Set(['kl', 'bhattacharyya', 'expected-likelihood'])

export function agreement(names: string, one: Api, other: Api): void {
  describe(`agreement: ${names}`, () => {
    test.each(SCORES)('pairwise and search with %s', async (score) => {
      const property = fc.asyncProperty(rowsOf(19, { min: 1, max: 12 }), async (rows) => {
        const [queries, documents] = [rows, [...rows].reverse()].map((part) => batch(one, part))
        const results = [one, other].map((api) => api.pairwiseSimilarity(queries!, documents!, { score }))
        const [x, y] = await Promise.all(results)
        expect(x!.similarities).toEqual(y!.similarities)
        expect(x!.deviations).toEqual(y!.deviations)
        if (!LOGARITHMIC.has(score)) expect(x!.scores).toEqual(y!.scores)
        else for (const [i, value] of x!.scores.entries()) expectNear(value, y!.scores[i]!, 19 * 100)
        const hits = await Promise.all(
          [one, other].map(async (api) => {
            using index = new api.GaussianIndex({ dimension: 19 })
            await index.add(ids(rows.length), documents!)
            return index.search(queries!, { score, k: 3 })
          }),
        )
        if (!LOGARITHMIC.has(score)) expect(hits[0]).toEqual(hits[1])
        else expect(hits[0]!.counts).toEqual(hits[1]!.counts)
      })
      await fc.assert(property, { numRuns: 30 })
    })

    test('all pairs', async () => {
      const rows = manyRows(40, 33)
      const [queries, documents] = [rows.slice(0, 7), rows].map((part) => batch(one, part))
      for (const score of SCORES) {
        const [x, y] = await Promise.all(
          [one, other].map((api) => api.similarity(queries!, documents!, { score })),
        )
        // Variances from 1e-9 up give jeffreys terms of 1e8: relative to the score and to terms of size 1.
        for (const [i, value] of x!.scores.entries()) expectNear(value, y!.scores[i]!, 1e7 * 33, 1e-4)
      }
    })

    test('convolve', async () => {
      const rules: CoefficientRule[] = [
        'softmax-trace',
        'softmax-precision',
        'inverse-variance',
        { power: 1.5 },
        'uniform',
        [1, 2, 0],
        { sources: ['trace'], bias: [0, 1, -1], power: [0.7], loss: 0, pairs: 0 },
      ]
      const members = [1, 2, 3].map((seed) => batch(one, manyRows(20, 9, seed)))
      for (const coefficients of rules) {
        for (const normalize of [true, false]) {
          const [x, y] = await Promise.all(
            [one, other].map((api) => api.convolve(members, { coefficients, normalize })),
          )
          for (const part of ['mean', 'variance'] as const) {
            for (const [i, value] of x!.gaussians[part].entries())
              expectNear(value, y!.gaussians[part][i]!, 1e4)
          }
          for (const [i, value] of x!.coefficients.entries()) expectNear(value, y!.coefficients[i]!, 1e4)
        }
      }
    })
  })
}
