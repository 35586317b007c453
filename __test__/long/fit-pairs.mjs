const WORDS =
  'plane river child music winter garden horse letter market window doctor bread island engine school paper'.split(
    ' ',
  )
const word = (i) => WORDS[i % WORDS.length]

/** A made-up pair, every fifth with hard negatives; depends on its number alone. */
export function pair(i) {
  const query = `the ${word(i)} and the ${word(3 * i + 1)} near a ${word(7 * i + 2)} ${i}`
  const negatives = i % 5 === 0 ? { negatives: [`a ${word(i + 1)} near ${i}`, `no ${word(i + 2)}`] } : {}
  return { query, positive: `${query} again ${word(i + 5)}`, ...negatives }
}
