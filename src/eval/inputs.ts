/**
 * Checks of what the measures are given: each list once, at the border. Whatever fails them is an UecError
 * ERR_INVALID_ARGUMENT; input that passes, but for which a measure has no value, gives `undefined` there, never NaN.
 */
import { invalid } from '../errors.ts'
import { describe } from '../options.ts'

/** n >= 1 of lists that all have n entries, each under the name an error calls it by. */
export function commonLength(lists: Record<string, ArrayLike<unknown>>): number {
  const entries = Object.entries(lists)
  for (const [name, list] of entries)
    if (!Number.isSafeInteger(list?.length)) throw invalid(`${name} must be a list, not ${describe(list)}`)
  const length = entries[0]![1].length
  if (entries.some(([, list]) => list.length !== length))
    throw invalid(`lengths differ: ${entries.map(([name, list]) => `${list.length} ${name}`).join(', ')}`)
  if (length === 0) throw invalid(`nothing to measure: ${entries.map(([name]) => name).join(', ')} are empty`)
  return length
}

/** Refuses a list with an entry that is not a finite number from `low` to `high`. */
export function checkNumbers(
  name: string,
  values: ArrayLike<number>,
  low = -Number.MAX_VALUE,
  high = Number.MAX_VALUE,
): void {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!
    if (!Number.isFinite(value))
      throw invalid(`${name}[${i}] must be a finite number, not ${describe(value)}`)
    if (value < low) throw invalid(`${name}[${i}] must be >= ${low}, not ${value}`)
    if (value > high) throw invalid(`${name}[${i}] must be <= ${high}, not ${value}`)
  }
}

/** Refuses a list with an entry that cannot be ordered: anything but a number or ±Infinity. */
export function checkOrdered(name: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!
    if (typeof value !== 'number' || Number.isNaN(value))
      throw invalid(`${name}[${i}] must be a number, not ${describe(value)}`)
  }
}

/** Refuses a list with an entry that is neither a string nor a finite number. */
export function checkLabels(name: string, labels: ArrayLike<string | number>): void {
  for (let i = 0; i < labels.length; i += 1) {
    const label = labels[i]
    if (typeof label !== 'string' && !Number.isFinite(label))
      throw invalid(`${name}[${i}] must be a string or a finite number, not ${describe(label)}`)
  }
}

/** Outcomes as 0 and 1; false and true count as those, and anything else is refused. */
export function outcomes(name: string, values: ArrayLike<number | boolean>): Uint8Array {
  return Uint8Array.from({ length: values.length }, (_, i) => {
    const value = values[i]!
    if (value === 0 || value === false) return 0
    if (value === 1 || value === true) return 1
    throw invalid(`${name}[${i}] must be 0 or 1, not ${describe(value)}`)
  })
}
