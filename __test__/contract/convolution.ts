/** Coefficients and convolution against the golden files and the facts of method §4 and §5. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Calibration, CoefficientRule } from '../../src/coefficients.ts'
import { type Api, batch, expectNearMax, golden, type Rows, rowsOf } from './fixtures.ts'

interface CoefficientCase {
  id: number
  kind: string
  k: number
  variances: number[][]
  traces: number[]
  inverse_variance: number[] | null
  uniform: number[]
  by_T: {
    T: number
    softmax_trace: number[]
    softmax_trace_atol: number
    softmax_precision: number[] | null
    softmax_precision_atol: number
  }[]
}

interface ConvolutionCase {
  id: number
  kind: string
  mu: number[][]
  v: number[][]
  pi: number[]
  mean: number[]
  variance: number[]
  mean_normalised: number[]
  variance_normalised: number[]
}

export function convolutionContract(api: Api): void {
  const members = (means: readonly number[][], variances: readonly number[][]) =>
    means.map((mean, k) => batch(api, [{ mean, variance: variances[k]! }]))

  describe('golden coefficients', () => {
    const { cases } = golden<{ cases: CoefficientCase[] }>('coefficients')
    test.each(cases.map((c) => [c.id, c.kind, c] as const))('case %i, %s', async (_, __, c) => {
      const gaussians = members(
        c.variances.map(() => [1, 0, 0, 0]),
        c.variances,
      )
      const check = async (rule: CoefficientRule, temperature: number, expected: number[], atol = 1e-12) => {
        const { coefficients } = await api.convolve(gaussians, { coefficients: rule, temperature })
        for (const [k, value] of expected.entries()) {
          expect(Math.abs(coefficients[k]! - value)).toBeLessThanOrEqual(1e-6 * value + atol)
        }
      }
      await check('uniform', 1, c.uniform)
      if (c.inverse_variance) {
        await check('inverse-variance', 1, c.inverse_variance)
        await check({ power: 1 }, 1, c.inverse_variance)
        const calibration: Calibration = {
          sources: ['trace'],
          bias: c.traces.map(() => 0),
          power: [1],
          loss: 0,
          pairs: 0,
        }
        if (c.traces.every((trace) => trace > 1e-6 && trace < 1e6))
          await check(calibration, 1, c.inverse_variance)
      }
      for (const row of c.by_T) {
        await check('softmax-trace', row.T, row.softmax_trace, row.softmax_trace_atol)
        if (row.softmax_precision) {
          await check('softmax-precision', row.T, row.softmax_precision, row.softmax_precision_atol)
        }
      }
    })
  })

  describe('golden convolution', () => {
    const { cases } = golden<{ cases: ConvolutionCase[] }>('convolution')
    test.each(cases.map((c) => [c.id, c.kind, c] as const))('case %i, %s', async (_, __, c) => {
      const gaussians = members(c.mu, c.v)
      const raw = await api.convolve(gaussians, { coefficients: c.pi, normalize: false })
      expectNearMax(raw.gaussians.mean, c.mean)
      expectNearMax(raw.gaussians.variance, c.variance)
      const unit = await api.convolve(gaussians, { coefficients: c.pi })
      expectNearMax(unit.gaussians.mean, c.mean_normalised)
      expectNearMax(unit.gaussians.variance, c.variance_normalised)
    })
  })

  describe('facts about mixtures', () => {
    const rules: CoefficientRule[] = [
      'softmax-trace',
      'inverse-variance',
      'softmax-precision',
      'uniform',
      { power: 2 },
      [1, 2, 3],
      { sources: ['trace'], bias: [0.5, 0, -0.5], power: [1.5], loss: 0, pairs: 0 },
    ]
    const three = fc.tuple(...[1, 2, 3].map(() => rowsOf(4, { min: 3, max: 3 }))) as unknown as fc.Arbitrary<
      [Rows[], Rows[], Rows[]]
    >

    test('coefficients are >= 0 and sum to 1; means have length 1; variances are finite and >= 0', async () => {
      const property = fc.asyncProperty(three, fc.constantFrom(...rules), async (parts, coefficients) => {
        const { gaussians, coefficients: pi } = await api.convolve(
          parts.map((rows) => batch(api, rows)),
          { coefficients, temperature: 0.3 },
        )
        for (let row = 0; row < 3; row++) {
          const own = pi.subarray(row * 3, row * 3 + 3)
          expect(own.every((p) => p >= 0)).toBe(true)
          expect(own.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6)
          const { mean, variance } = gaussians.at(row)
          const norm = Math.hypot(...mean)
          if (norm !== 0) expect(norm).toBeCloseTo(1, 6)
          expect(variance.every((v) => v >= 0 && v < Infinity)).toBe(true)
        }
      })
      await fc.assert(property, { numRuns: 200 })
    })

    test("a text's result does not depend on its neighbours, nor on the order of the members", async () => {
      const property = fc.asyncProperty(three, async (parts) => {
        const batches = parts.map((rows) => batch(api, rows))
        const all = await api.convolve(batches)
        const alone = await api.convolve(batches.map((member) => member.slice(1, 2)))
        expect(alone.gaussians.mean).toEqual(all.gaussians.at(1).mean)
        expect(alone.gaussians.variance).toEqual(all.gaussians.at(1).variance)
        const turned = await api.convolve([...batches].reverse())
        for (let k = 0; k < 3; k++) expect(turned.coefficients[2 - k]).toBeCloseTo(all.coefficients[k]!, 6)
      })
      await fc.assert(property, { numRuns: 50 })
    })

    test('members without uncertainty share everything; T → 0 picks, T → ∞ averages', async () => {
      const gaussians = members(
        [
          [1, 0],
          [0, 1],
          [0.6, 0.8],
        ],
        [
          [0, 0],
          [0.1, 0.1],
          [-0, 0],
        ],
      )
      const of = async (coefficients: CoefficientRule, temperature = 1) => [
        ...(await api.convolve(gaussians, { coefficients, temperature })).coefficients,
      ]
      expect(await of('inverse-variance')).toEqual([0.5, 0, 0.5])
      expect(await of({ power: 0.5 })).toEqual([0.5, 0, 0.5])
      expect(await of('softmax-precision')).toEqual([0.5, 0, 0.5])
      expect(await of('softmax-trace', 1e-9)).toEqual([0.5, 0, 0.5])
      for (const p of await of('softmax-trace', 1e12)) expect(p).toBeCloseTo(1 / 3, 6)
    })

    test('an invalid member counts nothing; without a valid one, or with means that cancel, all is 0', async () => {
      const zero = { mean: [0, 0], variance: [0, 0] }
      const some = { mean: [1, 0], variance: [0.2, 0.1] }
      const opposite = { mean: [-1, 0], variance: [0.2, 0.1] }
      const first = batch(api, [zero, zero, some])
      const second = batch(api, [some, zero, opposite])
      for (const coefficients of ['softmax-trace', 'uniform', 'inverse-variance', [3, 3]] as const) {
        const { gaussians, coefficients: pi } = await api.convolve([first, second], { coefficients })
        expect([...pi]).toEqual([0, 1, 0, 0, 0.5, 0.5])
        expect([...gaussians.mean]).toEqual([1, 0, 0, 0, 0, 0])
        expect([...gaussians.variance.subarray(2)]).toEqual([0, 0, 0, 0])
      }
      const unweighted = await api.convolve([first, second], { coefficients: [1, 0] })
      expect([...unweighted.coefficients]).toEqual([0, 0, 0, 0, 1, 0])
    })

    test('a Calibration reads uncertainties n×K×J, clamped to [1e-6, 1e6]', async () => {
      const gaussians = members(
        [
          [1, 0],
          [0, 1],
        ],
        [
          [1, 1],
          [1, 1],
        ],
      )
      const coefficients: Calibration = {
        sources: ['inverse-norm', 'tokens-per-word'],
        bias: [0.1, -0.1],
        power: [2, 0.5],
        loss: 0,
        pairs: 0,
      }
      const of = async (uncertainties: number[]) =>
        (await api.convolve(gaussians, { coefficients, uncertainties: Float32Array.from(uncertainties) }))
          .coefficients
      const exponents = [0.1 - 2 * Math.log(0.5) - 0.5 * Math.log(2), -0.1 - 2 * Math.log(0.25)]
      const expected = 1 / (1 + Math.exp(exponents[1]! - exponents[0]!))
      expect((await of([0.5, 2, 0.25, 1]))[0]).toBeCloseTo(expected, 6)
      expect(await of([0, 1, 1, 1])).toEqual(await of([1e-6, 1, 1, 1]))
      expect(await of([Infinity, 1, 1, 1])).toEqual(await of([1e6, 1, 1, 1]))
    })

    test('no texts give an empty mixture', async () => {
      const { gaussians, coefficients } = await api.convolve([batch(api, [], 3), batch(api, [], 3)])
      expect(gaussians.length).toBe(0)
      expect(gaussians.dimension).toBe(3)
      expect(coefficients).toHaveLength(0)
    })
  })
}
