/** Bad input: a coded error with a sentence, nothing changed, never a crash. */

import { describe, expect, test } from 'vitest'
import { type Api, batch, expectCode, ids, manyRows } from './fixtures.ts'

export function badInputContract(api: Api): void {
  const two = batch(api, manyRows(3, 2))
  const three = batch(api, manyRows(3, 3))
  // biome-ignore lint/suspicious/noExplicitAny: wrong arguments on purpose
  const wrong = (value: unknown): any => value

  describe('bad input to scores', () => {
    for (const name of ['similarity', 'pairwiseSimilarity'] as const) {
      test(name, async () => {
        const compare = api[name]
        await expectCode(compare(two, three), 'ERR_DIMENSION_MISMATCH', /2|3/)
        await expectCode(compare(two, two, wrong({ scor: 'uec' })), 'ERR_INVALID_ARGUMENT', /'score'/)
        await expectCode(
          compare(two, two, { score: wrong('cosin') }),
          'ERR_INVALID_ARGUMENT',
          /did you mean 'cosine'/,
        )
        for (const beta of [-1, Number.NaN, Infinity, '1', null]) {
          await expectCode(compare(two, two, { beta: wrong(beta) }), 'ERR_INVALID_ARGUMENT', /beta/)
        }
        for (const signal of [{}, true, new AbortController()]) {
          await expectCode(compare(two, two, { signal: wrong(signal) }), 'ERR_INVALID_ARGUMENT', /signal/)
        }
        for (const options of [null, 3, 'uec', []]) {
          await expectCode(compare(two, two, wrong(options)), 'ERR_INVALID_ARGUMENT', /options/)
        }
        for (const value of [undefined, null, [], {}, new Float32Array(2)]) {
          await expectCode(compare(wrong(value), two), 'ERR_INVALID_ARGUMENT', /queries/)
          await expectCode(compare(two, wrong(value)), 'ERR_INVALID_ARGUMENT', /candidates/)
        }
      })
    }

    test('pairwiseSimilarity of unequal lengths', async () => {
      await expectCode(api.pairwiseSimilarity(two, two.slice(1)), 'ERR_INVALID_ARGUMENT', /3 .* 2/)
    })
  })

  describe('bad input to convolve', () => {
    test.each([
      [[], {}],
      [[two, two.slice(1)], {}],
      [[two], { temperature: 0 }],
      [[two], { temperature: -1 }],
      [[two], { temperature: 'auto' }],
      [[two], { coefficients: 'softmax' }],
      [[two], { coefficients: { power: 0 } }],
      [[two], { coefficients: { power: Infinity } }],
      [[two], { coefficients: [1, 2] }],
      [[two], { coefficients: [0] }],
      [[two], { coefficients: [-1] }],
      [[two], { coefficients: [Number.NaN] }],
      [[two], { coefficients: null }],
      [[two], { coefficients: { sources: ['trace'], bias: [0, 0], power: [1], loss: 0, pairs: 0 } }],
      [[two], { coefficients: { sources: ['trace'], bias: [0], power: [], loss: 0, pairs: 0 } }],
      [[two], { coefficients: { sources: ['trace'], bias: [0], power: [-1], loss: 0, pairs: 0 } }],
      [[two], { coefficients: { sources: ['length'], bias: [0], power: [1], loss: 0, pairs: 0 } }],
      [[two], { coefficients: { sources: ['inverse-norm'], bias: [0], power: [1], loss: 0, pairs: 0 } }],
      [
        [two],
        {
          coefficients: { sources: ['inverse-norm'], bias: [0], power: [1], loss: 0, pairs: 0 },
          uncertainties: new Float32Array(2),
        },
      ],
      [
        [two],
        {
          coefficients: { sources: ['inverse-norm'], bias: [0], power: [1], loss: 0, pairs: 0 },
          uncertainties: Float32Array.of(1, Number.NaN, 1),
        },
      ],
      [[two], { normalise: true }],
      [[two], { normalize: 1 }],
    ])('case %#', async (members, options) => {
      await expectCode(api.convolve(members, wrong(options)), 'ERR_INVALID_ARGUMENT')
    })

    test('members of different dimensions', async () => {
      await expectCode(api.convolve([two, three]), 'ERR_DIMENSION_MISMATCH')
      await expectCode(api.convolve(wrong(two)), 'ERR_INVALID_ARGUMENT', /array/)
    })
  })

  describe('bad input to GaussianIndex', () => {
    test('its options', () => {
      for (const options of [
        undefined,
        null,
        {},
        { dimension: 0 },
        { dimension: 1.5 },
        { dimension: '2' },
        { dimension: 2, storag: 'float32' },
        { dimension: 2, storage: 'float64' },
        { dimension: 2, prefilter: 'int4' },
        { dimension: 2, storage: 'int8', prefilter: 'int8' },
        { dimension: 2, storage: 'float16', prefilter: 'int8' },
        { dimension: 2, fingerprint: '' },
      ]) {
        expect(() => new api.GaussianIndex(wrong(options))).toThrow(
          expect.objectContaining({ name: 'UecError', code: 'ERR_INVALID_ARGUMENT' }),
        )
      }
    })

    test('search options', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await index.add(ids(3), two)
      for (const options of [
        { k: 0 },
        { k: -1 },
        { k: 1.5 },
        { k: Number.NaN },
        { k: Infinity },
        { k: '10' },
        { minScore: Number.NaN },
        { minScore: -Infinity },
        { minScore: '0' },
        { beta: -0.5 },
        { score: 'dot' },
        { filter: 'd0' },
        { filter: [1] },
        { filter: {} },
        { filter: { size: 3 } },
        { limit: 3 },
      ]) {
        await expectCode(index.search(two, wrong(options)), 'ERR_INVALID_ARGUMENT')
      }
      await expectCode(index.search(three), 'ERR_DIMENSION_MISMATCH')
      await expectCode(index.search(wrong([two])), 'ERR_INVALID_ARGUMENT', /GaussianBatch/)
      await expectCode(index.filter(wrong('d0')), 'ERR_INVALID_ARGUMENT')
    })

    test('rows: all or nothing', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await index.add(ids(3), two)
      const before = index.get('d0')!
      const zero = batch(api, [
        { mean: [3, 3], variance: [1, 1] },
        { mean: [0, 0], variance: [0, 0] },
      ])
      const damaged = batch(api, [
        { mean: [3, 3], variance: [1, 1] },
        { mean: [1, 1], variance: [1, 1] },
      ])
      damaged.variance[2] = -1
      await expectCode(index.add(['d0', 'x'], zero), 'ERR_INVALID_ARGUMENT', /zero/)
      await expectCode(index.add(['d0', 'x'], damaged), 'ERR_INVALID_ARGUMENT')
      damaged.variance[2] = Number.NaN
      await expectCode(index.add(['d0', 'x'], damaged), 'ERR_INVALID_ARGUMENT')
      await expectCode(index.add(['x', 'd0', 'x'], two), 'ERR_INVALID_ARGUMENT', /twice|more than once/)
      await expectCode(index.add(['x', 'y'], two), 'ERR_INVALID_ARGUMENT', /2 ids/)
      await expectCode(index.add(wrong(['x', 'y', 3]), two), 'ERR_INVALID_ARGUMENT', /string/)
      await expectCode(index.add(['x', 'y', '\ud800'], two), 'ERR_INVALID_ARGUMENT', /surrogate/)
      await expectCode(index.add(ids(3), three), 'ERR_DIMENSION_MISMATCH')
      await expectCode(index.add(wrong('d0'), two), 'ERR_INVALID_ARGUMENT')
      await expectCode(index.remove(wrong('d0')), 'ERR_INVALID_ARGUMENT')
      expect(() => index.get(wrong(0))).toThrow(/string/)
      expect(index.ids()).toEqual(ids(3))
      expect(index.get('d0')).toEqual(before)
      await index.verify()
    })

    test('after dispose everything is ERR_DISPOSED', async () => {
      const index = new api.GaussianIndex({ dimension: 2 })
      await index.add(ids(3), two)
      const running = index.search(two)
      index.dispose()
      index.dispose()
      await Promise.allSettled([running])
      const disposed = expect.objectContaining({ code: 'ERR_DISPOSED' })
      for (const call of [
        () => index.size,
        () => index.bytes,
        () => index.ids(),
        () => index.has('d0'),
        () => index.get('d0'),
      ]) {
        expect(call).toThrow(disposed)
      }
      await expectCode(index.add(ids(3), two), 'ERR_DISPOSED')
      await expectCode(index.remove([]), 'ERR_DISPOSED')
      await expectCode(index.search(two), 'ERR_DISPOSED')
      await expectCode(
        index.filter(() => true),
        'ERR_DISPOSED',
      )
      await expectCode(index.verify(), 'ERR_DISPOSED')
      await expectCode(index.save('never.uec'), 'ERR_DISPOSED')
    })

    test('merging what does not fit', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await index.add(ids(3), two)
      const hits = await index.search(two)
      const fewer = await index.search(two.slice(0, 1))
      const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
      expect(() => api.Hits.merge([])).toThrow(invalid)
      expect(() => api.Hits.merge(wrong([hits, {}]))).toThrow(invalid)
      expect(() => api.Hits.merge([hits, fewer])).toThrow(invalid)
      expect(() => api.Hits.merge([hits], 0)).toThrow(invalid)
      expect(() => hits.of(3)).toThrow(invalid)
      expect(() => hits.of(-1)).toThrow(invalid)
    })
  })
}
