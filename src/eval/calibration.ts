/**
 * Calibration of probabilities (method §7).
 *
 *     ECE = Σ_b (n_b/N)·|share of outcomes that happened in b − mean probability in b|      (Guo et al. 2017)
 *     Brier = (1/N)·Σ_i (p_i − y_i)²      of several classes (1/N)·Σ_i Σ_c (p_ic − [y_i = c])²
 *
 * Bin b of `bins` is ((b − 1)/bins, b/bins], and 0 belongs to the first.
 */
import { invalid } from '../errors.ts'
import { describe, integer } from '../options.ts'
import { binnedGap, MOST_BINS } from './binned-gap.ts'
import { checkNumbers, commonLength, outcomes } from './inputs.ts'

/** Bins unless told otherwise. */
const BINS = 15
/** How far the probabilities of an item may be from 1 in sum: half-precision softmaxes are within it. */
const SUM_TOLERANCE = 1e-3

/**
 * Expected calibration error of probabilities p_i that outcome i happens (1, true) or not (0, false), in [0, 1].
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, a probability outside [0, 1], an outcome other
 * than 0, 1, false and true, and bins that are not an integer from 1 to 100 000.
 */
export function expectedCalibrationError(
  probabilities: ArrayLike<number>,
  happened: ArrayLike<number | boolean>,
  bins = BINS,
): number {
  commonLength({ probabilities, outcomes: happened })
  checkNumbers('probabilities', probabilities, 0, 1)
  integer('bins', bins, 1, MOST_BINS)
  return binnedGap(outcomes('outcomes', happened), probabilities, bins, (i) => binOf(probabilities[i]!, bins))
}

/**
 * Mean squared difference of probability and outcome, in [0, 1].
 *
 * @throws UecError ERR_INVALID_ARGUMENT as {@link expectedCalibrationError}.
 */
export function brierScore(probabilities: ArrayLike<number>, happened: ArrayLike<number | boolean>): number {
  const n = commonLength({ probabilities, outcomes: happened })
  checkNumbers('probabilities', probabilities, 0, 1)
  const y = outcomes('outcomes', happened)
  let sum = 0
  for (let i = 0; i < n; i += 1) sum += (probabilities[i]! - y[i]!) ** 2
  return sum / n
}

/**
 * Expected calibration error of the most probable class, in [0, 1]. Row i holds the probabilities of the classes 0 to
 * C − 1 for item i, `labels[i]` is the class it has. Of equally probable classes the first counts.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, a probability outside [0, 1], a row that does
 * not sum to 1 (within 1e-3), a label that is not a class, and bins that are not an integer from 1 to 100 000.
 */
export function topLabelCalibrationError(
  probabilities: ArrayLike<ArrayLike<number>>,
  labels: ArrayLike<number>,
  bins = BINS,
): number {
  const n = checkClasses(probabilities, labels)
  const confidence = new Float64Array(n)
  const right = new Uint8Array(n)
  for (let i = 0; i < n; i += 1) {
    const row = probabilities[i]!
    let top = 0
    for (let c = 1; c < row.length; c += 1) if (row[c]! > row[top]!) top = c
    confidence[i] = row[top]!
    right[i] = top === labels[i] ? 1 : 0
  }
  return expectedCalibrationError(confidence, right, bins)
}

/**
 * Squared distance of the probabilities from the class an item has, mean over the items, in [0, 2]; half of it, in
 * [0, 1], is what {@link brierScore} gives for two classes. Rows and labels as {@link topLabelCalibrationError}.
 *
 * @throws UecError ERR_INVALID_ARGUMENT as {@link topLabelCalibrationError}.
 */
export function multiclassBrierScore(
  probabilities: ArrayLike<ArrayLike<number>>,
  labels: ArrayLike<number>,
): number {
  const n = checkClasses(probabilities, labels)
  let sum = 0
  for (let i = 0; i < n; i += 1) {
    const row = probabilities[i]!
    for (let c = 0; c < row.length; c += 1) sum += (row[c]! - (c === labels[i] ? 1 : 0)) ** 2
  }
  return sum / n
}

/** The bin of p, from 0. The product may round across an edge, so the edges have the last word. */
function binOf(p: number, bins: number): number {
  const bin = Math.max(0, Math.ceil(p * bins) - 1)
  if (bin > 0 && p <= bin / bins) return bin - 1
  return p > (bin + 1) / bins ? bin + 1 : bin
}

function checkClasses(probabilities: ArrayLike<ArrayLike<number>>, labels: ArrayLike<number>): number {
  const n = commonLength({ probabilities, labels })
  const classes = commonLength({ 'probabilities[0]': probabilities[0]! })
  for (let i = 0; i < n; i += 1) {
    const name = `probabilities[${i}]`
    const row = probabilities[i]!
    if (commonLength({ [name]: row }) !== classes)
      throw invalid(`${name} holds ${row.length} classes, probabilities[0] ${classes}`)
    checkNumbers(name, row, 0, 1)
    let sum = 0
    for (let c = 0; c < classes; c += 1) sum += row[c]!
    if (Math.abs(sum - 1) > SUM_TOLERANCE) throw invalid(`${name} must sum to 1, not ${sum}`)
    const label = labels[i]
    if (!Number.isInteger(label) || label! < 0 || label! >= classes)
      throw invalid(`labels[${i}] must be a class from 0 to ${classes - 1}, not ${describe(label)}`)
  }
  return n
}
