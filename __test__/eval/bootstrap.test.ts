import { expect, test } from 'vitest'
import { bootstrapDifference, quantile, Random } from '../../src/eval/index.ts'

test('a constant difference has an interval of no width', () => {
  const a = [0.5, 0.7, 0.2, 0.9]
  const b = a.map((x) => x - 0.25)
  const { value, low, high } = bootstrapDifference(a, b, ['x', 'x', 'y', 'z'])
  for (const bound of [value, low, high]) expect(bound).toBeCloseTo(0.25, 12)
})

test('independent items: the half width is 1.96 standard errors', () => {
  const random = Random.seeded(3)
  const n = 2000
  // Sum of twelve uniforms less six: variance 1, nearly normal.
  const a = Array.from(
    { length: n },
    () => Array.from({ length: 12 }, () => random.next() / 2 ** 32).reduce((x, y) => x + y) - 6,
  )
  const { low, high } = bootstrapDifference(
    a,
    a.map(() => 0),
    a.map((_, i) => i),
    { resamples: 4000 },
  )
  // Both the sample deviation and the quantiles vary by about 2 % here.
  expect((high - low) / 2 / (1.96 / Math.sqrt(n))).toBeGreaterThan(0.92)
  expect((high - low) / 2 / (1.96 / Math.sqrt(n))).toBeLessThan(1.08)
})

test('copies of an item in one group do not narrow the interval', () => {
  const values = [0, 1, 0.3, 0.8, 0.1]
  const zeros = (n: number) => new Array<number>(n).fill(0)
  const single = bootstrapDifference(values, zeros(5), [0, 1, 2, 3, 4], { seed: 1 })
  const copied = values.flatMap((value) => new Array<number>(20).fill(value))
  const groups = copied.map((_, i) => Math.floor(i / 20))
  const clustered = bootstrapDifference(copied, zeros(100), groups, { seed: 1 })
  expect(clustered.low).toBeCloseTo(single.low, 12)
  expect(clustered.high).toBeCloseTo(single.high, 12)
})

test('the same seed gives the same interval', () => {
  const a = [0.1, 0.4, 0.9, 0.3]
  const b = [0.2, 0.1, 0.5, 0.6]
  const run = (seed: number) => bootstrapDifference(a, b, [1, 2, 3, 4], { seed, resamples: 200 })
  expect(run(5)).toEqual(run(5))
})

test('quantiles lie linearly between neighbours', () => {
  expect(quantile([0, 10, 20], 0.25)).toBe(5)
  expect(quantile([4], 0.9)).toBe(4)
})

test.each([
  ['lengths that differ', () => bootstrapDifference([1], [1, 2], [1])],
  ['nothing', () => bootstrapDifference([], [], [])],
  ['no resamples', () => bootstrapDifference([1], [1], [1], { resamples: 0 })],
  ['a level of 1', () => bootstrapDifference([1], [1], [1], { level: 1 })],
])('%s is a RangeError', (_, run) => {
  expect(run).toThrow(RangeError)
})
