/**
 * max_i |x_i|, 0 of nothing. Numbers divided by it have squares whose sum neither overflows nor vanishes.
 */
export function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0
  for (let i = 0; i < values.length; i += 1) largest = Math.max(largest, Math.abs(values[i]!))
  return largest
}
