import { describe, expect, test } from 'vitest'
import {
  brierScore,
  expectedCalibrationError,
  multiclassBrierScore,
  topLabelCalibrationError,
} from '../../src/eval/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

describe('one probability per item', () => {
  test.each(golden.calibration_binary)('$kind, as netcal and scikit-learn', ({ p, y, bins, ece, brier }) => {
    expectGolden(expectedCalibrationError(p, y, bins), ece)
    expectGolden(brierScore(p, y), brier)
  })

  test('15 bins are the default', () => {
    const { p, y, ece } = golden.calibration_binary[0]!
    expectGolden(expectedCalibrationError(p, y), ece)
  })

  test('the upper edge of a bin belongs to it, whichever way the division rounds', () => {
    // 7/25·25 rounds up, and the next number above 1/3, times 3, down.
    for (const bins of [3, 7, 10, 15, 25, 29]) {
      for (let edge = 1; edge < bins; edge += 1) {
        // One bin holds both where the edge is in the lower one, and their errors cancel; just above it there are two.
        const [middle, above] = [(edge - 0.5) / bins, (edge / bins) * (1 + Number.EPSILON)]
        const together = Math.abs(middle + edge / bins - 1) / 2
        expect(expectedCalibrationError([middle, edge / bins], [0, 1], bins)).toBeCloseTo(together, 12)
        const apart = (middle + (1 - above)) / 2
        expect(expectedCalibrationError([middle, above], [0, 1], bins)).toBeCloseTo(apart, 12)
      }
    }
  })

  test('constant one half is calibrated, and has a Brier score of a quarter', () => {
    const p = [0.5, 0.5, 0.5, 0.5]
    expect(expectedCalibrationError(p, [true, false, true, false])).toBe(0)
    expect(brierScore(p, [true, false, true, false])).toBe(0.25)
  })

  test('bad input is refused', () => {
    for (const measure of [expectedCalibrationError, brierScore]) {
      expectInvalid(() => measure([], []), /nothing to measure/)
      expectInvalid(() => measure([0.5], [0, 1]), /lengths differ: 1 probabilities, 2 outcomes/)
      expectInvalid(() => measure([1.5], [1]), /probabilities\[0\] must be <= 1/)
      expectInvalid(() => measure([Number.NaN], [1]), /probabilities\[0\]/)
      expectInvalid(() => measure([0.5], [0.5]), /outcomes\[0\] must be 0 or 1/)
    }
    for (const bins of [0, 1.5, Number.NaN, 2 ** 40])
      expectInvalid(() => expectedCalibrationError([0.5], [1], bins), /bins must be an integer/)
  })
})

describe('a probability per class', () => {
  test.each(golden.calibration_multiclass)('$kind, as netcal and scikit-learn', (row) => {
    expectGolden(topLabelCalibrationError(row.p, row.y, row.bins), row.ece_top_label)
    expectGolden(multiclassBrierScore(row.p, row.y), row.brier)
    expectGolden(multiclassBrierScore(row.p, row.y) / 2, row.brier_half)
  })

  test('two classes: half of it is the Brier score of one probability', () => {
    const p = [0.1, 0.7, 0.4]
    const y = [0, 1, 1]
    const rows = p.map((value) => [1 - value, value])
    expect(multiclassBrierScore(rows, y) / 2).toBeCloseTo(brierScore(p, y), 12)
  })

  test('of equally probable classes the first is the top label', () => {
    expect(topLabelCalibrationError([[0.5, 0.5]], [0])).toBe(0.5)
    expect(topLabelCalibrationError([[0.25, 0.375, 0.375]], [2])).toBe(0.375)
  })

  test('bad input is refused', () => {
    for (const measure of [topLabelCalibrationError, multiclassBrierScore]) {
      expectInvalid(() => measure([], []), /nothing to measure/)
      expectInvalid(() => measure([[1]], [0, 0]), /lengths differ/)
      expectInvalid(() => measure([[]], [0]), /probabilities\[0\] are empty/)
      expectInvalid(() => measure([[0.5, 0.5], [1]], [0, 0]), /probabilities\[1\] holds 1 classes/)
      expectInvalid(() => measure([[2, -1]], [0]), /probabilities\[0\]\[0\] must be <= 1/)
      expectInvalid(() => measure([[0.2, 0.2]], [0]), /must sum to 1/)
      expectInvalid(() => measure([[0.5, 0.5]], [2]), /labels\[0\] must be a class from 0 to 1, not 2/)
    }
  })
})
