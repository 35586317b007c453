/** Mean ranks: what the rank statistics of correlation and AUROC have in common (method §7). */

/** Rank of each value, 1 for the smallest; equal values share the mean of their ranks. No NaN among the values. */
export function meanRanks(values: ArrayLike<number>): Float64Array {
  const ascending = ascendingOrder(values)
  const ranks = new Float64Array(values.length)
  for (let start = 0; start < ascending.length; ) {
    const end = endOfTies(values, ascending, start)
    // The mean of start + 1, …, end.
    const rank = (start + 1 + end) / 2
    for (let i = start; i < end; i += 1) ranks[ascending[i]!] = rank
    start = end
  }
  return ranks
}

/** Positions of the values in ascending order; of equal values the lower position first. */
export function ascendingOrder(values: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => {
    const [x, y] = [values[a]!, values[b]!]
    return x === y ? a - b : x < y ? -1 : 1
  })
}

/** One past the last position in `ascending` whose value equals the one at `start`. */
export function endOfTies(values: ArrayLike<number>, ascending: Uint32Array, start: number): number {
  let end = start + 1
  while (end < ascending.length && values[ascending[end]!] === values[ascending[start]!]) end += 1
  return end
}
