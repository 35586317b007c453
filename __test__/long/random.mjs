// A small random generator with a seed (mulberry32), so that every finding can be repeated.

/** @returns {() => number} numbers in [0, 1) */
export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const WORDS =
  'plane river child music winter garden horse letter market window doctor bread island engine'.split(' ')

/** The i-th of endlessly many short texts. */
export function text(i) {
  const word = (k) => WORDS[k % WORDS.length]
  return `the ${word(i)} and the ${word(3 * i + 1)} near a ${word(7 * i + 2)} with ${i}`
}
