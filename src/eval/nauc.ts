/**
 * nAUC, the abstention metric of MTEB (method §7): does a confidence know where the metric will be high?
 *
 *     rates r_i = i·0.1, i = 0…9      dropped_i = min(round(r_i·n), n − 1), half to even
 *     curve_i = mean metric without the dropped_i queries of lowest confidence
 *     AUC = area under (r_i, curve_i), trapezoid      oracle: the metric itself as confidence      flat = 0.9·curve_0
 *     nAUC = (AUC − flat) / (AUC_oracle − flat)
 *
 * Rates are float64 products, as MTEB has them: 3·0.1 is 0.30000000000000004, and which queries a half drops hangs on it.
 */
import { oneOf } from '../options.ts'
import { checkNumbers, checkOrdered, commonLength } from './inputs.ts'
import { ascendingOrder, endOfTies } from './ranks.ts'
import { mean } from './retrieval.ts'

/**
 * Queries of equal confidence: in the order given ('stable', the published definition), or each with the mean metric of
 * its equals ('mean', as MTEB does since 2.26), which makes the result independent of the order.
 */
export type ConfidenceTies = 'stable' | 'mean'

export interface NaucOptions {
  /** 'stable' unless told otherwise. */
  ties?: ConfidenceTies
}

const RATES = Array.from({ length: 10 }, (_, i) => i * 0.1)
/** Below this the oracle gains nothing over chance, and there is nothing to compare with. */
const LEAST_GAIN = 1e-12

/**
 * Share of the oracle's gain that abstaining by `confidence` brings: 1 for the oracle's order, about 0 for a random one,
 * negative for a misleading one. Undefined where the oracle itself gains nothing, as for one query or a constant metric.
 * Item i of both lists is the same query; ±Infinity is a confidence.
 *
 * @throws UecError ERR_INVALID_ARGUMENT for nothing, lengths that differ, a confidence that is NaN, a metric that is not
 * finite, and an unknown order of ties.
 */
export function nauc(
  confidence: ArrayLike<number>,
  metric: ArrayLike<number>,
  { ties = 'stable' }: NaucOptions = {},
): number | undefined {
  const curve = abstentionCurve(confidence, metric, { ties })
  const oracle = abstentionCurve(metric, metric)
  const flat = oracle[0]! * (RATES.at(-1)! - RATES[0]!)
  const gain = area(oracle) - flat
  // Written so that a sum of metrics that overflowed is undefined too.
  return Math.abs(gain) >= LEAST_GAIN && Number.isFinite(gain) ? (area(curve) - flat) / gain : undefined
}

/**
 * The ten points curve_i: mean metric of the queries left at the abstention rates 0, 0.1, …, 0.9.
 *
 * @throws UecError ERR_INVALID_ARGUMENT as {@link nauc}.
 */
export function abstentionCurve(
  confidence: ArrayLike<number>,
  metric: ArrayLike<number>,
  { ties = 'stable' }: NaucOptions = {},
): Float64Array {
  const n = commonLength({ confidences: confidence, metrics: metric })
  checkOrdered('confidence', confidence)
  checkNumbers('metric', metric)
  oneOf('ties', ties, ['stable', 'mean'])
  const order = ascendingOrder(confidence)
  const sorted = Float64Array.from(order, (i) => metric[i]!)
  if (ties === 'mean') averageTies(sorted, confidence, order)
  return Float64Array.from(droppedQueries(n), (dropped) => mean(sorted.subarray(dropped)))
}

/** @internal How many of n queries are dropped at each rate; one is always left. */
export function droppedQueries(n: number): number[] {
  return RATES.map((rate) => Math.min(roundHalfToEven(rate * n), n - 1))
}

function averageTies(sorted: Float64Array, confidence: ArrayLike<number>, order: Uint32Array): void {
  for (let start = 0; start < sorted.length; ) {
    const end = endOfTies(confidence, order, start)
    sorted.fill(mean(sorted.subarray(start, end)), start, end)
    start = end
  }
}

function area(curve: Float64Array): number {
  let sum = 0
  for (let i = 1; i < curve.length; i += 1)
    sum += ((curve[i - 1]! + curve[i]!) / 2) * (RATES[i]! - RATES[i - 1]!)
  return sum
}

function roundHalfToEven(x: number): number {
  const below = Math.floor(x)
  if (x - below === 0.5) return below + (below % 2)
  return Math.round(x)
}
