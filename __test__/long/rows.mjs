// Rows that tell which id and which version they belong to, and that every storage keeps exactly: whole numbers, the largest
// mean 127 and the largest variance 255.

export const DIMENSION = 32

/** @returns {{ mean: number[], variance: number[] }} the row of an id in one of its versions */
export function rowOf(id, version) {
  let state = 2166136261
  for (const letter of `${id}/${version}`) state = Math.imul(state ^ letter.codePointAt(0), 16777619)
  const next = () => {
    state = Math.imul(state ^ (state >>> 15), 2246822519) + 0x6d2b79f5
    return (state ^ (state >>> 13)) >>> 8
  }
  const numbers = (largest, smallest) =>
    Array.from({ length: DIMENSION }, (_, i) =>
      i === 0 ? largest : smallest + (next() % (largest - smallest)),
    )
  return { mean: numbers(127, -127), variance: numbers(255, 0) }
}

/** The arrays of a batch of those rows. */
export function rowsOf(ids, version) {
  const mean = new Float32Array(ids.length * DIMENSION)
  const variance = new Float32Array(ids.length * DIMENSION)
  for (const [i, id] of ids.entries()) {
    const row = rowOf(id, version)
    mean.set(row.mean, i * DIMENSION)
    variance.set(row.variance, i * DIMENSION)
  }
  return { mean, variance, dimension: DIMENSION }
}
