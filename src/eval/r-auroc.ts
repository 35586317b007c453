/**
 * R-AUROC of the URL benchmark (Kirchhof et al. 2023; method §7): does the uncertainty of an embedding say whether its
 * nearest neighbour misleads?
 *
 *     nearest_i = argmax_{j ≠ i} cos(μ_i, μ_j)      R-AUROC = AUROC of −uncertainty_i against [label_i = label of nearest_i]
 *
 * Recall@1 of the same benchmark is the accuracy of the labels of the nearest.
 */
import { invalid } from '../errors.ts'
import { integer } from '../options.ts'
import { auroc } from './auroc.ts'
import { checkLabels, checkNumbers, checkOrdered, commonLength } from './inputs.ts'
import { largestMagnitude } from './magnitude.ts'

/** n embeddings of dimension D; a GaussianBatch is one. */
export interface Embeddings {
  /** n×D, row-major. */
  readonly mean: ArrayLike<number>
  /** D. */
  readonly dimension: number
}

/**
 * R-AUROC in [0, 1], 0.5 is chance; undefined where every nearest neighbour has the right label or none has. Row i of
 * the embeddings, `labels[i]` and `uncertainty[i]` (as the trace of its variance) are the same item.
 *
 * @throws UecError ERR_INVALID_ARGUMENT as {@link nearestNeighbours}, and for lengths that differ, an uncertainty that is
 * NaN, and a label that is neither a string nor a finite number.
 */
export function rAuroc<Label extends string | number>(
  embeddings: Embeddings,
  labels: ArrayLike<Label>,
  uncertainty: ArrayLike<number>,
): number | undefined {
  const nearest = nearestNeighbours(embeddings)
  commonLength({ embeddings: nearest, labels, uncertainties: uncertainty })
  checkLabels('labels', labels)
  checkOrdered('uncertainty', uncertainty)
  return auroc(
    Array.from(nearest, (j, i) => labels[j] === labels[i]),
    Array.from(uncertainty, (value) => -value),
  )
}

/**
 * Row of the nearest other row by cosine, for each of n rows; of equally near ones the lower. n(n − 1)/2 products of
 * length D.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for fewer than two rows, a length that is no multiple of D, a number that is not
 * finite, and a row of zeros, which has no direction.
 */
export function nearestNeighbours({ mean, dimension }: Embeddings): Uint32Array {
  const unit = directions(mean, dimension)
  const n = unit.length / dimension
  const nearest = new Uint32Array(n)
  const cosines = new Float64Array(n).fill(Number.NEGATIVE_INFINITY)
  // Every row meets its partners in ascending order, so that the lower of equally near ones stays.
  for (let i = 0; i < n; i += 1) {
    for (let j = i + 1; j < n; j += 1) {
      let cosine = 0
      for (let d = 0; d < dimension; d += 1) cosine += unit[i * dimension + d]! * unit[j * dimension + d]!
      if (cosine > cosines[i]!) {
        cosines[i] = cosine
        nearest[i] = j
      }
      if (cosine > cosines[j]!) {
        cosines[j] = cosine
        nearest[j] = i
      }
    }
  }
  return nearest
}

/** Rows of length 1. */
function directions(mean: ArrayLike<number>, dimension: number): Float64Array {
  integer('dimension', dimension, 1)
  const length = commonLength({ mean })
  checkNumbers('mean', mean)
  if (length % dimension !== 0)
    throw invalid(`mean holds ${length} numbers, no multiple of the dimension ${dimension}`)
  if (length === dimension) throw invalid('a single row has no neighbour: two are needed')
  const unit = Float64Array.from(mean)
  for (let start = 0; start < length; start += dimension) {
    const row = unit.subarray(start, start + dimension)
    const largest = largestMagnitude(row)
    if (largest === 0) throw invalid(`row ${start / dimension} is zero and has no direction`)
    const norm = Math.sqrt(row.reduce((sum, value) => sum + (value / largest) ** 2, 0))
    row.forEach((value, d) => {
      row[d] = value / largest / norm
    })
  }
  return unit
}
