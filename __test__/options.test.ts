import { describe, expect, test } from 'vitest'
import { asUecError, UecError } from '../src/errors.ts'
import { checkOptions, integer, nonNegative, oneOf, positive } from '../src/options.ts'

describe('options', () => {
  test('an unknown name is refused with the nearest known one', () => {
    const check = (options: unknown) => () => checkOptions('search', options, ['k', 'minScore', 'filter'])
    expect(check({ minscore: 1 })).toThrow("search: unknown option 'minscore'; did you mean 'minScore'?")
    expect(check({ filters: [] })).toThrow(/'filter'/)
    expect(check({ k: 1, minScore: undefined })).not.toThrow()
    expect(check(undefined)).not.toThrow()
    for (const options of [null, 1, [], 'k']) expect(check(options)).toThrow(/must be an object/)
  })

  test('numbers are checked for their range', () => {
    expect(integer('k', 1, 1)).toBe(1)
    for (const k of [0, 1.5, Number.NaN, Infinity, '1', null, 2 ** 53]) {
      expect(() => integer('k', k, 1)).toThrow(/k must be an integer >= 1/)
    }
    expect(nonNegative('beta', 0)).toBe(0)
    expect(() => nonNegative('beta', -1e-9)).toThrow(/beta/)
    expect(() => positive('temperature', 0)).toThrow(/> 0/)
  })

  test('a wrong name is refused with the names there are', () => {
    expect(() => oneOf('score', 'wassertein', ['uec', 'wasserstein2'])).toThrow(
      "score must be one of uec, wasserstein2, not 'wassertein'; did you mean 'wasserstein2'?",
    )
    expect(() => oneOf('score', 3, ['uec'])).toThrow('not 3')
    expect(() => oneOf('score', 'x'.repeat(1e6), ['uec'])).toThrow(/^.{1,120}$/s)
  })
})

describe('errors', () => {
  test('errors that carry one of our codes become UecErrors, others stay', () => {
    const native = Object.assign(new Error('no such file'), { code: 'ERR_FILE_NOT_FOUND' })
    expect(asUecError(native)).toBeInstanceOf(UecError)
    expect(asUecError(native)).toMatchObject({ code: 'ERR_FILE_NOT_FOUND', message: 'no such file' })
    for (const other of [new Error('x'), Object.assign(new Error('x'), { code: 'ENOENT' }), 'x', undefined]) {
      expect(asUecError(other)).toBe(other)
    }
  })

  test('a cause is kept', () => {
    const cause = new Error('below')
    expect(new UecError('ERR_INTERNAL', 'above', { cause }).cause).toBe(cause)
    expect('cause' in new UecError('ERR_INTERNAL', 'above')).toBe(false)
  })
})
