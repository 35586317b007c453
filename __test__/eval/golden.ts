/** Golden values of the measures, computed by scipy, scikit-learn, netcal and MTEB's definition of nAUC. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { UecError } from '../../src/errors.ts'

interface Metrics {
  correlation: {
    kind: string
    x: number[]
    y: number[]
    spearman: number | null
    pearson: number | null
  }[]
  classification: { kind: string; y_true: number[]; y_pred: number[]; accuracy: number; macro_f1: number }[]
  auroc: { kind: string; y: number[]; score: number[]; auroc: number | null }[]
  calibration_binary: {
    kind: string
    p: number[]
    y: number[]
    bins: number
    ece: number
    brier: number
  }[]
  calibration_multiclass: {
    kind: string
    p: number[][]
    y: number[]
    bins: number
    ece_top_label: number
    brier: number
    brier_half: number
  }[]
  var_ece: {
    kind: string
    prediction: number[]
    variance: number[]
    target: number[]
    var_ece_10: number
    var_ece_15: number
  }[]
  nauc: {
    kind: string
    confidence: number[]
    metric: number[]
    nauc: number | null
    nauc_tied_mean: number | null
    curve: number[]
    oracle_curve: number[]
    dropped: number[]
  }[]
  nauc_from_scores: {
    scores: number[][]
    sigma_best: number[]
    metric: number[]
    confidences: Record<'max' | 'std' | 'diff1' | 'neg_sigma_best', number[]>
    nauc: Record<'max' | 'std' | 'diff1' | 'neg_sigma_best', number>
  }[]
  r_auroc: {
    kind: string
    embeddings: number[][]
    labels: number[]
    uncertainty: number[]
    nearest: number[]
    correct: number[]
    recall_at_1: number
    r_auroc: number
  }[]
}

export const golden = JSON.parse(
  readFileSync(new URL('../fixtures/golden/metrics.json', import.meta.url), 'utf8'),
) as Metrics

/** Within 1e-9 of the golden value; undefined where that is null. */
export function expectGolden(value: number | undefined, expected: number | null, what?: string): void {
  if (expected === null) expect(value, what).toBeUndefined()
  else expect(Math.abs(value! - expected), what).toBeLessThanOrEqual(1e-9)
}

/** That the call throws an UecError ERR_INVALID_ARGUMENT whose message says `message`. */
export function expectInvalid(call: () => unknown, message: RegExp): void {
  let thrown: unknown
  try {
    call()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(UecError)
  expect((thrown as UecError).code).toBe('ERR_INVALID_ARGUMENT')
  expect((thrown as UecError).message).toMatch(message)
}
