/** The canonical order of the sums, term by term as it is worded: eight lanes, then a tree. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inverseSum, laneSum } from '../../src/pure/lanes.ts'
import { type Moments, moments, pairScore } from '../../src/pure/scores.ts'
import type { Score } from '../../src/scores.ts'

const float = fc.float({ min: -2, max: 2, noNaN: true })
const positive = fc.float({ min: Math.fround(1e-6), max: 2, noNaN: true })

/** One query row and two candidate rows of dimension 1..20, all positions and lengths of the last lane. */
const rows = fc.integer({ min: 1, max: 20 }).chain((dimension) => {
  const numbers = (entry: fc.Arbitrary<number>, count: number) =>
    fc
      .array(entry, { minLength: dimension * count, maxLength: dimension * count })
      .map((values) => Float32Array.from(values))
  return fc.record({
    queries: fc.record({
      mean: numbers(float, 1),
      variance: numbers(positive, 1),
      dimension: fc.constant(dimension),
    }),
    candidates: fc.record({
      mean: numbers(float, 2),
      variance: numbers(positive, 2),
      dimension: fc.constant(dimension),
    }),
  })
})

function literal(terms: readonly number[]): number {
  const l = [0, 0, 0, 0, 0, 0, 0, 0]
  for (const [d, term] of terms.entries()) l[d % 8]! += term
  return l[0]! + l[4]! + (l[2]! + l[6]!) + (l[1]! + l[5]! + (l[3]! + l[7]!))
}

type Term = (a: number, v: number, b: number, w: number) => number

const TERMS: Partial<Record<Score, [Term, (sum: number) => number]>> = {
  wasserstein2: [(a, v, b, w) => (a - b) ** 2 + (Math.sqrt(v) - Math.sqrt(w)) ** 2, (sum) => -sum],
  csd: [(a, v, b, w) => (a - b) ** 2 + (v + w), (sum) => -sum],
  jeffreys: [(a, v, b, w) => (v + (a - b) ** 2) / w + (w + (a - b) ** 2) / v - 2, (sum) => -0.5 * sum],
  kl: [(a, v, b, w) => Math.log(w / v) + (v + (a - b) ** 2) / w - 1, (sum) => -0.5 * sum],
}

describe('canonical sums', () => {
  test('every score adds its terms in eight lanes', () => {
    const property = fc.property(rows, ({ queries, candidates }) => {
      const { dimension } = queries
      const terms = (term: Term) =>
        Array.from({ length: dimension }, (_, d) =>
          term(
            queries.mean[d]!,
            queries.variance[d]!,
            candidates.mean[dimension + d]!,
            candidates.variance[dimension + d]!,
          ),
        )
      const pair: Moments = { similarity: 0, variance: 0 }
      moments(queries, 0, candidates, 1, pair)
      const similarity = literal(terms((a, _, b) => a * b))
      const variance = literal(terms((a, v, b, w) => a * a * w + v * (b * b) + v * w))
      expect(pair).toEqual({ similarity, variance })
      const beta = 0.7
      const score = (name: Score) => pairScore({ score: name, beta })(queries, 0, candidates, 1)
      expect(score('uec')).toBe(similarity / Math.sqrt(1 + (Math.PI / 8) * beta * variance))
      expect(score('cosine')).toBe(similarity)
      for (const [name, [term, finish]] of Object.entries(TERMS)) {
        expect(score(name as Score)).toBe(finish(literal(terms(term))))
      }
      expect(laneSum(candidates.variance, dimension, dimension)).toBe(literal(terms((_a, _v, _b, w) => w)))
      expect(inverseSum(candidates.variance, dimension, dimension)).toBe(
        literal(terms((_a, _v, _b, w) => 1 / w)),
      )
    })
    fc.assert(property, { numRuns: 500 })
  })
})
