import { describe, expect, test } from 'vitest'
import { abstentionCurve, nauc, negSigmaBest, scoreConfidence } from '../../src/eval/index.ts'
import { droppedQueries } from '../../src/eval/nauc.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

describe.each(golden.nauc)('$kind', ({ confidence, metric, ...expected }) => {
  test('both orders of ties', () => {
    expectGolden(nauc(confidence, metric), expected.nauc)
    expectGolden(nauc(confidence, metric, { ties: 'mean' }), expected.nauc_tied_mean)
  })

  test('the numbers dropped, and the curves left', () => {
    expect(droppedQueries(metric.length)).toEqual(expected.dropped)
    for (const [curve, points] of [
      [abstentionCurve(confidence, metric), expected.curve],
      [abstentionCurve(metric, metric), expected.oracle_curve],
    ] as const) {
      expect(curve.length).toBe(points.length)
      points.forEach((point, i) => {
        expectGolden(curve[i], point, `rate ${i / 10}`)
      })
    }
  })
})

describe.each(golden.nauc_from_scores)('from score lists', ({ scores, sigma_best, metric, ...expected }) => {
  test.each(['max', 'std', 'diff1'] as const)('%s', (kind) => {
    const confidence = scores.map((list) => scoreConfidence(list, kind))
    confidence.forEach((value, i) => {
      expectGolden(value, expected.confidences[kind][i]!, `query ${i}`)
    })
    expectGolden(nauc(confidence, metric), expected.nauc[kind])
  })

  test('neg_sigma_best', () => {
    const confidence = scores.map((list, query) => {
      const best = list.indexOf(Math.max(...list))
      const others = 1
      return negSigmaBest(
        list,
        list.map((_, i) => (i === best ? sigma_best[query]! : others)),
      )
    })
    expect(confidence).toEqual(expected.confidences.neg_sigma_best)
    expectGolden(nauc(confidence, metric), expected.nauc.neg_sigma_best)
  })
})

test('ties by their mean do not depend on the order of the queries', () => {
  const confidence = [1, 0, 1, 0, 1, 0, 2, 2]
  const metric = [0.3, 0.9, 0.1, 0.2, 0.8, 0.4, 0.5, 0.7]
  const reversed = nauc(confidence.toReversed(), metric.toReversed(), { ties: 'mean' })
  expect(reversed).toBeCloseTo(nauc(confidence, metric, { ties: 'mean' })!, 12)
})

test('equal scores have a deviation of exactly 0, and tie', () => {
  expect(scoreConfidence([0.1, 0.1, 0.1], 'std')).toBe(0)
  expect(scoreConfidence([0, 0], 'std')).toBe(0)
  expect(scoreConfidence([Number.MAX_VALUE, -Number.MAX_VALUE], 'std')).toBe(Number.MAX_VALUE)
})

test('of equal best scores the first one gives its deviation, and 0 is not negative', () => {
  expect(negSigmaBest([0.5, 0.7, 0.7], [1, 2, 3])).toBe(-2)
  expect(negSigmaBest([0.5], [0])).toBe(0)
})

test('metrics whose sum overflows have no nAUC', () => {
  const huge = [Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, 0]
  expect(nauc([1, 2, 3, 4], huge)).toBeUndefined()
})

test('bad input is refused', () => {
  expectInvalid(() => nauc([], []), /nothing to measure/)
  expectInvalid(() => nauc([1, 2], [1]), /lengths differ: 2 confidences, 1 metrics/)
  expectInvalid(() => nauc([Number.NaN], [1]), /confidence\[0\]/)
  expectInvalid(() => nauc([1], [Number.POSITIVE_INFINITY]), /metric\[0\]/)
  expectInvalid(() => nauc([1], [1], { ties: 'first' as never }), /ties must be one of stable, mean/)
  expectInvalid(() => scoreConfidence([], 'max'), /nothing to measure/)
  expectInvalid(() => scoreConfidence([Number.NEGATIVE_INFINITY], 'max'), /scores\[0\]/)
  expectInvalid(() => scoreConfidence([1], 'min' as never), /kind must be one of max, std, diff1/)
  expectInvalid(() => negSigmaBest([1, 2], [1]), /lengths differ/)
  expectInvalid(() => negSigmaBest([1], [-1]), /deviations\[0\] must be >= 0/)
})
