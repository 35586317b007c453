// Median and spread of a few rounds.

/** Median, smallest and largest of numbers. */
export function summary(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

/** The value below which a share of the numbers lies. */
export function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

/** Round by round, how many times as fast `ours` is as `theirs`. Both are lists of answers with `ms`. */
export function speedup(ours, theirs) {
  return summary(ours.map((answer, round) => theirs[round].ms / answer.ms))
}

/** Round by round, which percentage of the limit's rate `work` units per `ours.ms` are. `key` names the limit's work. */
export function percent(ours, work, limits, key) {
  return summary(
    ours.map((answer, round) => (100 * work) / answer.ms / (limits[round][key] / limits[round].ms)),
  )
}

/** Round by round, how many times the time of `theirs` `ours` takes. */
export function times(ours, theirs) {
  return summary(ours.map((answer, round) => answer.ms / theirs[round].ms))
}
