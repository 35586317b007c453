import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auroc } from '../../src/eval/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

test.each(golden.auroc)('$kind, as scikit-learn', ({ y, score, ...expected }) => {
  expectGolden(auroc(y, score), expected.auroc)
})

test('the share of pairs in the right order, a tie being half of one', () => {
  const items = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -3, max: 3 })), { minLength: 1 })
  fc.assert(
    fc.property(items, (pairs) => {
      const positives = pairs.filter(([label]) => label)
      const negatives = pairs.filter(([label]) => !label)
      let right = 0
      for (const [, p] of positives) for (const [, n] of negatives) right += p > n ? 1 : p === n ? 0.5 : 0
      const value = auroc(
        pairs.map(([label]) => label),
        pairs.map(([, score]) => score),
      )
      if (positives.length === 0 || negatives.length === 0) expect(value).toBeUndefined()
      else expect(value).toBeCloseTo(right / (positives.length * negatives.length), 12)
    }),
  )
})

test('an undefined score ranks last: -Infinity is below every other', () => {
  expect(auroc([1, 1, 0], [-1, -2, Number.NEGATIVE_INFINITY])).toBe(1)
})

test('bad input is refused', () => {
  expectInvalid(() => auroc([], []), /nothing to measure/)
  expectInvalid(() => auroc([0, 1], [1]), /lengths differ/)
  expectInvalid(() => auroc([0, 1], [1, Number.NaN]), /scores\[1\]/)
  expectInvalid(() => auroc([0, 2], [1, 2]), /labels\[1\] must be 0 or 1, not 2/)
})
