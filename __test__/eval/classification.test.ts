import { expect, test } from 'vitest'
import { accuracy, macroF1 } from '../../src/eval/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

test.each(golden.classification)('$kind, as scikit-learn', ({ y_true, y_pred, ...expected }) => {
  expectGolden(accuracy(y_true, y_pred), expected.accuracy)
  expectGolden(macroF1(y_true, y_pred), expected.macro_f1)
})

test('two labels: closed form', () => {
  const truth = ['cat', 'cat', 'cat', 'dog']
  const predictions = ['cat', 'cat', 'dog', 'dog']
  expect(accuracy(truth, predictions)).toBe(0.75)
  expect(macroF1(truth, predictions)).toBeCloseTo((4 / 5 + 2 / 3) / 2, 12)
})

test('a string and the number it spells are two labels', () => {
  expect(accuracy<string | number>([1], ['1'])).toBe(0)
  expect(macroF1<string | number>([1], ['1'])).toBe(0)
})

test('bad input is refused', () => {
  for (const measure of [accuracy, macroF1]) {
    expectInvalid(() => measure([], []), /nothing to measure/)
    expectInvalid(() => measure([1, 2], [1]), /lengths differ: 2 truth, 1 predictions/)
    expectInvalid(() => measure([1, Number.NaN], [1, 2]), /truth\[1\]/)
    expectInvalid(() => measure([1], [undefined as never]), /predictions\[0\]/)
  }
})
