import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TopK } from '../../src/pure/top-k.ts'

test('keeps what sorting keeps, in any order of offers, ties by lower position', () => {
  const scores = fc.array(fc.constantFrom(-Infinity, -1, -0, 0, 0.5, 1), { maxLength: 60 })
  const property = fc.property(
    scores,
    fc.integer({ min: 0, max: 12 }),
    fc.boolean(),
    (values, k, reverse) => {
      const offers = values.map((score, position) => ({ score, position }))
      const top = new TopK(k)
      for (const { score, position } of reverse ? offers.toReversed() : offers) top.offer(score, position)
      const sorted = offers.toSorted((x, y) =>
        x.score === y.score ? x.position - y.position : y.score - x.score,
      )
      expect(top.ranked()).toEqual(sorted.slice(0, k))
    },
  )
  fc.assert(property, { numRuns: 500 })
})
