import { describe, expect, test } from 'vitest'
import { accuracy, nearestNeighbours, rAuroc } from '../../src/eval/index.ts'
import { GaussianBatch } from '../../src/pure/index.ts'
import { expectGolden, expectInvalid, golden } from './golden.ts'

describe.each(golden.r_auroc)('$kind', ({ embeddings, labels, uncertainty, ...expected }) => {
  const batch = { mean: embeddings.flat(), dimension: embeddings[0]!.length }
  const nearest = nearestNeighbours(batch)

  test('nearest neighbours by cosine', () => {
    expect([...nearest]).toEqual(expected.nearest)
    const found = Array.from(nearest, (j) => labels[j]!)
    expect(found.map((label, i) => Number(label === labels[i]))).toEqual(expected.correct)
    expectGolden(accuracy(labels, found), expected.recall_at_1)
  })

  test('R-AUROC, as scikit-learn', () => {
    expectGolden(rAuroc(batch, labels, uncertainty), expected.r_auroc)
  })
})

test('a GaussianBatch and its traces: the one misled item is the least certain', () => {
  const mean = Float32Array.of(1, 0, 2, 0.1, 0, 1, 0.1, 3, 1, 1.5)
  const variance = Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 5, 5)
  const batch = new GaussianBatch({ mean, variance, dimension: 2 })
  expect([...nearestNeighbours(batch)]).toEqual([1, 0, 3, 2, 3])
  expect(rAuroc(batch, ['x', 'x', 'y', 'y', 'x'], batch.traces())).toBe(1)
  expect(rAuroc(batch, ['x', 'x', 'y', 'y', 'y'], batch.traces())).toBeUndefined()
})

test('of equally near rows the lower is the nearest, and length does not matter', () => {
  const rows = { mean: [1e200, 0, 3, 0, 1e-200, 0, 5e-324, 0], dimension: 2 }
  expect([...nearestNeighbours(rows)]).toEqual([1, 0, 0, 0])
})

test('bad input is refused', () => {
  const two = { mean: [1, 2], dimension: 1 }
  expectInvalid(() => nearestNeighbours({ mean: [1, 2], dimension: 2 }), /two are needed/)
  expectInvalid(() => nearestNeighbours({ mean: [], dimension: 2 }), /nothing to measure/)
  expectInvalid(() => nearestNeighbours({ mean: [1, 2, 3], dimension: 2 }), /no multiple of the dimension 2/)
  expectInvalid(() => nearestNeighbours({ mean: [1, 2, 0, 0], dimension: 2 }), /row 1 is zero/)
  expectInvalid(() => nearestNeighbours({ mean: [1, Number.NaN], dimension: 1 }), /mean\[1\]/)
  expectInvalid(() => nearestNeighbours({ mean: [1], dimension: 0 }), /dimension must be an integer/)
  expectInvalid(() => rAuroc(two, [1], [1, 2]), /2 embeddings, 1 labels, 2 uncertainties/)
  expectInvalid(() => rAuroc(two, [1, 2], [1, Number.NaN]), /uncertainty\[1\]/)
  expectInvalid(() => rAuroc(two, [1, Number.NaN], [1, 2]), /labels\[1\]/)
})
