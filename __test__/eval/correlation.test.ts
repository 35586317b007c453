import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pearson, spearman } from '../../src/eval/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

test.each(golden.correlation)('$kind, as scipy', ({ x, y, ...expected }) => {
  expectGolden(pearson(x, y), expected.pearson)
  expectGolden(spearman(x, y), expected.spearman)
})

test('Spearman of three pairs: 1 − 6·Σd²/(n(n² − 1))', () => {
  expect(spearman([10, 20, 30], [1, 3, 2])).toBeCloseTo(1 - (6 * 2) / (3 * 8), 12)
})

test('Spearman sees only the order, infinities included', () => {
  const x = [3, 1, 4, 1, 5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const y = [2, 7, 1, 8, 2, 8, 1]
  expect(
    spearman(
      x.map((value) => Math.atan(value)),
      y,
    ),
  ).toBe(spearman(x, y))
})

test('one pair is constant', () => {
  expect(pearson([1], [2])).toBeUndefined()
  expect(spearman([1], [2])).toBeUndefined()
})

test('both lie in [-1, 1] or are undefined, whatever finite numbers come', () => {
  const pair = fc.tuple(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  )
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 12 }), (pairs) => {
      const [x, y] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)]
      for (const value of [pearson(x, y), spearman(x, y)])
        expect(value === undefined || (value >= -1 && value <= 1)).toBe(true)
    }),
  )
})

test('bad input is refused', () => {
  for (const measure of [pearson, spearman]) {
    expectInvalid(() => measure([], []), /nothing to measure/)
    expectInvalid(() => measure([1, 2], [1]), /lengths differ: 2 x, 1 y/)
    expectInvalid(() => measure([1, 2], [1, Number.NaN]), /y\[1\]/)
    expectInvalid(() => measure([1], undefined as never), /y must be a list, not undefined/)
  }
  expectInvalid(() => pearson([1, Number.POSITIVE_INFINITY], [1, 2]), /x\[1\] must be a finite number/)
})
