/** The k best of a stream of scored positions: higher score first, equal scores by lower position. */

/** A bounded binary heap whose root is the worst kept. The result does not depend on the order of offers. */
export class TopK {
  readonly #k: number
  readonly #scores: number[] = []
  readonly #positions: number[] = []

  constructor(k: number) {
    this.#k = k
  }

  offer(score: number, position: number): void {
    const count = this.#scores.length
    if (count < this.#k) {
      this.#scores.push(score)
      this.#positions.push(position)
      this.#rise(count, score, position)
    } else if (count > 0 && isBetter(score, position, this.#scores[0]!, this.#positions[0]!)) {
      this.#sink(score, position)
    }
  }

  /** The kept ones, best first. */
  ranked(): { score: number; position: number }[] {
    return this.#scores
      .map((score, i) => ({ score, position: this.#positions[i]! }))
      .sort((x, y) => (isBetter(x.score, x.position, y.score, y.position) ? -1 : 1))
  }

  /** Moves an entry up from the free place `i`. */
  #rise(i: number, score: number, position: number): void {
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (isBetter(score, position, this.#scores[parent]!, this.#positions[parent]!)) break
      this.#move(parent, i)
      i = parent
    }
    this.#scores[i] = score
    this.#positions[i] = position
  }

  /** Replaces the root. */
  #sink(score: number, position: number): void {
    const count = this.#scores.length
    let i = 0
    for (let child = 1; child < count; child = 2 * i + 1) {
      if (child + 1 < count && this.#isWorse(child + 1, child)) child++
      if (!isBetter(score, position, this.#scores[child]!, this.#positions[child]!)) break
      this.#move(child, i)
      i = child
    }
    this.#scores[i] = score
    this.#positions[i] = position
  }

  #isWorse(i: number, j: number): boolean {
    return isBetter(this.#scores[j]!, this.#positions[j]!, this.#scores[i]!, this.#positions[i]!)
  }

  #move(from: number, to: number): void {
    this.#scores[to] = this.#scores[from]!
    this.#positions[to] = this.#positions[from]!
  }
}

function isBetter(score: number, position: number, than: number, thanPosition: number): boolean {
  return score > than || (score === than && position < thanPosition)
}
