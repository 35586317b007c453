import { describe, expect, test } from 'vitest'
import { UecError } from '../src/errors.ts'
import { FINGERPRINT, GaussianBatch, settle, TrustedGaussians } from '../src/gaussian-batch.ts'

const of = (mean: number[], variance: number[], dimension: number) =>
  new GaussianBatch({ mean: Float32Array.from(mean), variance: Float32Array.from(variance), dimension })

const three = of([1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5], 2)

describe('GaussianBatch', () => {
  test('copies its input once, into memory that cannot be transferred', () => {
    const mean = Float32Array.of(1, 2)
    const batch = new GaussianBatch({ mean, variance: Float32Array.of(0, 0), dimension: 2 })
    mean[0] = 9
    expect(batch.mean[0]).toBe(1)
    const buffer = batch.mean.buffer as unknown as ArrayBuffer
    expect(() => structuredClone(batch.mean, { transfer: [buffer] })).toThrow()
    expect(batch.mean).toHaveLength(2)
  })

  test('takes views and other batches as input', () => {
    const buffer = Float32Array.of(9, 1, 2, 9)
    const view = new GaussianBatch({
      mean: buffer.subarray(1, 3),
      variance: buffer.subarray(1, 3),
      dimension: 1,
    })
    expect([...view.mean]).toEqual([1, 2])
    expect(new GaussianBatch(view).mean).toEqual(view.mean)
  })

  test.each([
    ['NaN in the mean', [0, Number.NaN], [0, 0], 1, /mean at row 1, column 0 is NaN/],
    ['an infinite mean', [0, 0, 0, -Infinity], [0, 0, 0, 0], 2, /mean at row 1, column 1 is -Infinity/],
    ['a negative variance', [0, 0], [0, -1], 2, /variance at row 0, column 1 is -1/],
    ['an infinite variance', [0], [Infinity], 1, /variance at row 0, column 0/],
    ['NaN in the variance', [0], [Number.NaN], 1, /variance at row 0, column 0/],
    ['unequal lengths', [0, 0], [0], 1, /equally long/],
    ['half a row', [0, 0, 0], [0, 0, 0], 2, /whole rows/],
    ['dimension 0', [], [], 0, /dimension/],
    ['dimension 1.5', [], [], 1.5, /dimension/],
  ])('refuses %s', (_, mean, variance, dimension, message) => {
    const make = () => of(mean, variance, dimension)
    expect(make).toThrow(UecError)
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(make).toThrow(message)
  })

  test('refuses anything but Float32Arrays', () => {
    for (const data of [undefined, null, 3, {}, { mean: [1], variance: [1], dimension: 1 }]) {
      expect(() => new GaussianBatch(data as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
  })

  test('rows, slices and iteration are views', () => {
    expect(three).toHaveLength(3)
    expect([...three.at(2).mean]).toEqual([5, 6])
    expect([...three].map((gaussian) => gaussian.variance[1])).toEqual([1, 3, 5])
    const part = three.slice(1, 3)
    expect(part).toHaveLength(2)
    expect(part.mean.buffer).toBe(three.mean.buffer)
    expect(part.at(0)).toEqual(three.at(1))
    for (const row of [-1, 3, 0.5, Number.NaN]) expect(() => three.at(row)).toThrow(/row/)
  })

  test('slice counts as Array.prototype.slice', () => {
    const rows = [0, 1, 2]
    const ends = [undefined, -9, -2, -1, 0, 1, 2, 3, 9, Infinity, -Infinity, Number.NaN, 1.7]
    for (const start of ends) {
      for (const end of ends) {
        const means = [...three.slice(start, end)].map((gaussian) => (gaussian.mean[0]! - 1) / 2)
        expect(means, `slice(${start}, ${end})`).toEqual(rows.slice(start, end))
      }
    }
  })

  test('traces are float64 sums', () => {
    expect([...of([0, 0, 0], [2 ** 24, 1, 1], 3).traces()]).toEqual([2 ** 24 + 2])
    expect(of([], [], 3).traces()).toHaveLength(0)
  })

  test('concat joins rows and refuses other dimensions and an empty list', () => {
    const joined = GaussianBatch.concat([three.slice(2), three.slice(0, 0), three])
    expect([...joined.mean]).toEqual([5, 6, 1, 2, 3, 4, 5, 6])
    expect([...joined.variance]).toEqual([4, 5, 0, 1, 2, 3, 4, 5])
    expect(() => GaussianBatch.concat([three, of([1], [1], 1)])).toThrow(
      expect.objectContaining({ code: 'ERR_DIMENSION_MISMATCH' }),
    )
    for (const list of [[], undefined, [three, {}]]) {
      expect(() => GaussianBatch.concat(list as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
  })

  test('keeps the fingerprint of its ensemble as long as all rows share it', () => {
    const marked = (fingerprint?: string) =>
      new GaussianBatch(new TrustedGaussians(three.mean, three.variance, 2, fingerprint))
    expect(marked('one').slice(1)[FINGERPRINT]).toBe('one')
    expect(GaussianBatch.concat([marked('one'), marked('one')])[FINGERPRINT]).toBe('one')
    expect(GaussianBatch.concat([marked('one'), marked()])[FINGERPRINT]).toBeUndefined()
    expect(() => GaussianBatch.concat([marked(), marked('one'), marked(), marked('two')])).toThrow(
      expect.objectContaining({ code: 'ERR_POSTERIOR_MISMATCH' }),
    )
  })

  test('trusted results are wrapped, and moved out of transferable memory', () => {
    expect(new GaussianBatch(new TrustedGaussians(three.mean, three.variance, 2)).mean).toBe(three.mean)
    const plain = new Float32Array(2)
    const wrapped = new GaussianBatch(new TrustedGaussians(plain, plain, 2))
    expect(wrapped.mean.buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  test('large results are moved in slices that leave the event loop free', async () => {
    const small = Float32Array.of(1, 2)
    expect((await settle(small)).buffer).toBeInstanceOf(SharedArrayBuffer)
    const large = Float32Array.from({ length: 30_000_001 }, (_, i) => i)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const settled = await settle(large)
    clearInterval(timer)
    expect(settled.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(settled).toHaveLength(large.length)
    for (const i of [0, 1, 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 1, 30_000_000]) expect(settled[i]).toBe(large[i])
    expect(turns).toBeGreaterThan(1)
  })
})
