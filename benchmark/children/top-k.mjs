// The k best of a stream of scores, for the peers that have no top-k of their own.

/** Keeps the k largest; equal scores by lower row. Rows must be offered in rising order. */
export class TopK {
  constructor(k) {
    this.k = k
    this.scores = []
    this.rows = []
    this.worst = -Infinity
  }

  offer(score, row) {
    if (this.scores.length === this.k && !(score > this.worst)) return
    let at = this.scores.length
    while (at > 0 && this.scores[at - 1] < score) at--
    this.scores.splice(at, 0, score)
    this.rows.splice(at, 0, row)
    if (this.scores.length > this.k) {
      this.scores.pop()
      this.rows.pop()
    }
    if (this.scores.length === this.k) this.worst = this.scores[this.k - 1]
  }
}
