/**
 * Bootstrap interval of a difference of means, paired and clustered (method §7).
 *
 * Queries of one document are not independent, so whole groups are drawn, with replacement, as many as there are; both
 * systems are measured on the same draw. The interval is the percentile one (Efron and Tibshirani 1993, chapter 13):
 *
 *     d* = Σ_{g drawn} Σ_{i ∈ g} (a_i − b_i) / Σ_{g drawn} |g|      interval = quantiles (1 ∓ level)/2 of d*
 */
import { Random } from './random.ts'
import { mean } from './retrieval.ts'

export interface BootstrapOptions {
  /** Draws, 2 000 unless told otherwise. */
  resamples?: number
  /** Coverage in (0, 1), 0.95 unless told otherwise. */
  level?: number
  /** Same seed, same interval; 0 unless told otherwise. */
  seed?: number
}

export interface Interval {
  /** The observed value. */
  value: number
  low: number
  high: number
}

/**
 * mean(a) − mean(b) with its interval. Item i of both is the same query, and belongs to `groups[i]`.
 * RangeError where the lengths differ, nothing is given, or an option is out of range.
 */
export function bootstrapDifference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  groups: ArrayLike<string | number>,
  { resamples = 2000, level = 0.95, seed = 0 }: BootstrapOptions = {},
): Interval {
  if (a.length !== b.length || a.length !== groups.length)
    throw new RangeError(`lengths differ: ${a.length} and ${b.length} values, ${groups.length} groups`)
  if (a.length === 0) throw new RangeError('nothing to resample')
  if (!Number.isInteger(resamples) || resamples < 1)
    throw new RangeError(`resamples must be an integer >= 1, not ${resamples}`)
  if (!(level > 0 && level < 1)) throw new RangeError(`level must lie between 0 and 1, not ${level}`)

  const { sums, sizes } = totals(
    Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!),
    groups,
  )
  const random = Random.seeded(seed)
  const draws = new Float64Array(resamples)
  for (let draw = 0; draw < resamples; draw += 1) {
    let sum = 0
    let size = 0
    for (let i = 0; i < sums.length; i += 1) {
      const group = random.below(sums.length)
      sum += sums[group]!
      size += sizes[group]!
    }
    draws[draw] = sum / size
  }
  draws.sort()
  return {
    value: mean(a) - mean(b),
    low: quantile(draws, (1 - level) / 2),
    high: quantile(draws, (1 + level) / 2),
  }
}

/** Quantile p of ascending values, linear between neighbours (Hyndman and Fan's type 7). */
export function quantile(ascending: ArrayLike<number>, p: number): number {
  const position = p * (ascending.length - 1)
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return ascending[below]! + (position - below) * (ascending[above]! - ascending[below]!)
}

function totals(
  values: Float64Array,
  groups: ArrayLike<string | number>,
): { sums: number[]; sizes: number[] } {
  const numbers = new Map<string | number, number>()
  const sums: number[] = []
  const sizes: number[] = []
  values.forEach((value, i) => {
    const group = groups[i]!
    const number = numbers.get(group) ?? numbers.size
    numbers.set(group, number)
    sums[number] = (sums[number] ?? 0) + value
    sizes[number] = (sizes[number] ?? 0) + 1
  })
  return { sums, sizes }
}
