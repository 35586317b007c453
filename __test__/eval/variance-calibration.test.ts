import fc from 'fast-check'
import { expect, test } from 'vitest'
import { varianceCalibrationError } from '../../src/eval/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

test.each(golden.var_ece)('$kind, as netcal', ({ prediction, variance, target, ...expected }) => {
  expectGolden(varianceCalibrationError(prediction, variance, target), expected.var_ece_10)
  expectGolden(varianceCalibrationError(prediction, variance, target, 15), expected.var_ece_15)
})

test('an inner edge belongs to the bin above, the largest variance to the last', () => {
  // Variances 0, 1 and 2 in two bins: errors of 1 and 2 cancel where they share the upper bin, [1, 2].
  const targets = [0, Math.sqrt(2), 1]
  expect(varianceCalibrationError([0, 0, 0], [0, 1, 2], targets, 2)).toBeCloseTo(0, 12)
  // In three bins they do not: 1/3 too small, 1/3 too large.
  expect(varianceCalibrationError([0, 0, 0], [0, 1, 2], targets, 3)).toBeCloseTo(2 / 3, 12)
})

test('neither does the division by the width move a variance across an edge', () => {
  // Quotients that round across the edge of their bin, found by trial.
  for (const [low, high, edge] of [
    [0.08258197826460532, 0.4885065590663016, 4],
    [0.05907513987383006, 0.7612640204721426, 9],
  ] as const) {
    const width = (high - low) / 10
    const at = low + (high - low) * (edge / 10)
    const below = at * (1 - Number.EPSILON / 2)
    const error = 0.01
    // Of the bin above the edge one variance is too large by 0.01; `variance` is too small by as much.
    const measure = (variance: number) => {
      const variances = [low, high, at + width / 2, variance]
      const squares = [low, high, at + width / 2 - error, variance + error]
      return varianceCalibrationError([0, 0, 0, 0], variances, squares.map(Math.sqrt))
    }
    // Where edge is 9 the largest variance shares the bin, without an error of its own.
    expect(measure(at)).toBeCloseTo(0, 12)
    expect(measure(below)).toBeCloseTo((2 * error) / 4, 12)
  }
})

test('never NaN or negative, whatever finite numbers come', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true })
  const variance = fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.tuple(number, variance, number), { minLength: 1 }), (items) => {
      const [p, v, t] = [items.map(([x]) => x), items.map(([, x]) => x), items.map(([, , x]) => x)]
      expect(varianceCalibrationError(p, v, t)).toBeGreaterThanOrEqual(0)
    }),
  )
})

test('bad input is refused', () => {
  expectInvalid(() => varianceCalibrationError([], [], []), /nothing to measure/)
  expectInvalid(() => varianceCalibrationError([1], [1], [1, 2]), /1 predictions, 1 variances, 2 targets/)
  expectInvalid(() => varianceCalibrationError([1], [-1], [1]), /variances\[0\] must be >= 0, not -1/)
  expectInvalid(() => varianceCalibrationError([Number.NEGATIVE_INFINITY], [1], [1]), /predictions\[0\]/)
  expectInvalid(() => varianceCalibrationError([1], [1], [Number.NaN]), /targets\[0\]/)
  expectInvalid(() => varianceCalibrationError([1], [1], [1], 0), /bins must be an integer/)
})
