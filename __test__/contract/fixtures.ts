/** What the contract suite is made of: the implementation under test, golden files, and random Gaussians. */

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect } from 'vitest'
import type * as pure from '../../src/pure/index.ts'

/** The names that `uec` and `uec/pure` share. */
export type Api = Pick<
  typeof pure,
  'GaussianBatch' | 'GaussianIndex' | 'Hits' | 'UecError' | 'convolve' | 'pairwiseSimilarity' | 'similarity'
>

export interface Rows {
  mean: number[]
  variance: number[]
}

/** Expected values of a file of __test__/fixtures/golden; see its README for fields and tolerances. */
export function golden<T>(name: string): T {
  const url = new URL(`../fixtures/golden/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

export function batch(api: Api, rows: readonly Rows[], dimension = rows[0]!.mean.length) {
  return new api.GaussianBatch({
    mean: Float32Array.from(rows.flatMap((row) => row.mean)),
    variance: Float32Array.from(rows.flatMap((row) => row.variance)),
    dimension,
  })
}

/**
 * Float32 results against float64 expectations: 1e-6 relative (the rounding is 6e-8), plus `scale` × 1e-12 for sums
 * that cancel, plus one float32 denormal. Beyond the float32 range the result is ±Infinity; undefined is -Infinity.
 */
export function expectNear(got: number, expected: number | null, scale = 0, relative = 1e-6): void {
  const rounded = expected === null ? -Infinity : Math.fround(expected)
  if (!Number.isFinite(rounded)) expect(got).toBe(rounded)
  else {
    const tolerance = relative * Math.abs(expected!) + 1e-12 * scale + 1.5e-45
    expect(Math.abs(got - expected!), `${got} for ${expected}`).toBeLessThanOrEqual(tolerance)
  }
}

/** Arrays against expectations, relative to the largest expected entry. */
export function expectNearMax(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got.length).toBe(expected.length)
  const largest = Math.max(...expected.map(Math.abs))
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(got[i]! - value), `${i}: ${got[i]} for ${value}`).toBeLessThanOrEqual(1e-6 * largest)
  }
}

/** Rejections with a code of the contract. */
export async function expectCode(work: Promise<unknown>, code: string, message: RegExp = /./): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error, `no error; expected ${code}`).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'UecError', code })
  expect((error as Error).message).toMatch(message)
}

const float = (min: number, max: number) => fc.float({ min, max, noNaN: true })

/** n rows of dimension D: means in [-1, 1], never all zero, and variances in [least, 4]. */
export function rowsOf(dimension: number, rows: { min: number; max: number }, least = 0) {
  const mean = fc
    .array(float(-1, 1), { minLength: dimension, maxLength: dimension })
    .filter((m) => m.some((x) => x !== 0))
  const variance = fc.array(float(Math.fround(least), 4), { minLength: dimension, maxLength: dimension })
  return fc.array(fc.record({ mean, variance }), { minLength: rows.min, maxLength: rows.max })
}

/** n pseudo-random rows, the same for the same n and D: for tests that need many. */
export function manyRows(rows: number, dimension: number, seed = 1): Rows[] {
  let state = seed >>> 0
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return Array.from({ length: rows }, () => ({
    mean: Array.from({ length: dimension }, () => next() - 0.5),
    variance: Array.from({ length: dimension }, () => next() * 0.1),
  }))
}

export const ids = (count: number, prefix = 'd') => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
