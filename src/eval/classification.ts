/**
 * Measures of predicted labels against true ones (method §7), as scikit-learn computes them.
 *
 *     accuracy = #{i: prediction_i = truth_i} / n
 *     F1_c = 2·TP_c / (2·TP_c + FP_c + FN_c)      macro-F1 = mean of F1_c over the labels that are predicted or true
 *
 * 2·TP + FP + FN is the number of times a label is predicted plus the number of times it is true, so F1 is 0, not 0/0,
 * for a label that is never predicted or never true.
 */
import { checkLabels, commonLength } from './inputs.ts'
import { mean } from './retrieval.ts'

/**
 * Share of predictions that are right, in [0, 1].
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, and a label that is neither a string nor a
 * finite number.
 */
export function accuracy<Label extends string | number>(
  truth: ArrayLike<Label>,
  predictions: ArrayLike<Label>,
): number {
  const n = checked(truth, predictions)
  let right = 0
  for (let i = 0; i < n; i += 1) if (truth[i] === predictions[i]) right += 1
  return right / n
}

/**
 * Mean F1 of all labels that are predicted or true, each with the same weight, in [0, 1].
 *
 * @throws UecError ERR_INVALID_ARGUMENT as {@link accuracy}.
 */
export function macroF1<Label extends string | number>(
  truth: ArrayLike<Label>,
  predictions: ArrayLike<Label>,
): number {
  const n = checked(truth, predictions)
  /** Per label: how often it was predicted rightly, and how often predicted or true. */
  const counts = new Map<Label, { right: number; named: number }>()
  const of = (label: Label) => {
    const known = counts.get(label) ?? { right: 0, named: 0 }
    counts.set(label, known)
    return known
  }
  for (let i = 0; i < n; i += 1) {
    of(truth[i]!).named += 1
    of(predictions[i]!).named += 1
    if (truth[i] === predictions[i]) of(truth[i]!).right += 1
  }
  return mean([...counts.values()].map(({ right, named }) => (2 * right) / named))
}

function checked(truth: ArrayLike<string | number>, predictions: ArrayLike<string | number>): number {
  const n = commonLength({ truth, predictions })
  checkLabels('truth', truth)
  checkLabels('predictions', predictions)
  return n
}
