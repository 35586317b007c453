/** Flat results of a search, and the exact merge of results from several indexes. */

import type { RankedHits } from './backend.ts'
import { invalid } from './errors.ts'
import { describe, integer } from './options.ts'

/** One hit as an object. */
export interface Hit {
  id: string
  /** The chosen score; higher is better. */
  score: number
  /** μ_s, the mean of the similarity: the cosine of the mean embeddings. */
  similarity: number
  /** σ_s, the standard deviation of the similarity under the model. It does not tell right hits from wrong ones; see `margins`. */
  deviation: number
}

/** Index of an unused cell. */
const UNUSED = 0xffffffff
/** A k above both this and the number of rows is cut, so that a huge k does not ask for a huge table. */
const FREE_CELLS = 1024

/** @internal Hits in float64, two per query where there are two, so that the margin is known. */
export interface ExactHits extends RankedHits {
  queries: number
  /** The k of the search. */
  wanted: number
  /** Rows of the index. */
  size: number
}

/** Cells per query of a public result. */
function cells(wanted: number, size: number): number {
  return Math.min(wanted, Math.max(size, FREE_CELLS))
}

/** @internal Hits per query to ask a backend for, which cuts them to the number of rows. */
export function hitsToFind(wanted: number): number {
  return Math.max(2, Math.min(wanted, 0xffffffff))
}

/**
 * Row q of the queries×k arrays holds counts[q] ≤ k hits, best first; unused cells are index 0xFFFFFFFF and -Infinity.
 * Scores are float32 roundings; order and merging follow the float64 scores.
 */
export class Hits {
  readonly queries: number
  /** Cells per query: the k of the search, cut to the larger of the index's size and 1024. */
  readonly k: number
  /** The ids of the hits, each once; `indices` point into it. */
  readonly ids: readonly string[]
  readonly counts: Uint32Array
  readonly indices: Uint32Array
  readonly scores: Float32Array
  /** μ_s of each hit. */
  readonly similarities: Float32Array
  /** σ_s of each hit. */
  readonly deviations: Float32Array
  /**
   * Best minus second score of each query, whatever k is (k = 1 too): the best single sign that a top hit is right.
   * +Infinity where there is no second hit, 0 where there is none at all.
   */
  readonly margins: Float32Array
  readonly #exact: ExactHits

  /** @internal Results come from searches and merges. */
  constructor(exact: ExactHits) {
    const { queries } = exact
    const stride = strideOf(exact)
    this.#exact = exact
    this.queries = queries
    this.k = cells(exact.wanted, exact.size)
    this.counts = exact.counts.map((count) => Math.min(count, this.k))
    this.indices = new Uint32Array(queries * this.k).fill(UNUSED)
    this.scores = firstCells(exact.scores, queries, stride, this.k)
    this.similarities = firstCells(exact.similarities, queries, stride, this.k)
    this.deviations = firstCells(exact.deviations, queries, stride, this.k)
    this.margins = new Float32Array(queries)
    const ids = new IdTable()
    for (let query = 0; query < queries; query++) {
      const from = query * stride
      for (let i = 0; i < this.counts[query]!; i++) {
        this.indices[query * this.k + i] = ids.indexOf(exact.ids[exact.indices[from + i]!]!)
      }
      // -Infinity minus -Infinity is NaN: no hits, or two undefined scores.
      const score = (i: number) => (i < exact.counts[query]! ? exact.scores[from + i]! : -Infinity)
      this.margins[query] = score(0) - score(1) || 0
    }
    this.ids = ids.list
  }

  /** The hits of one query as objects, best first. */
  of(query: number): Hit[] {
    if (integer('query', query, 0) >= this.queries) {
      throw invalid(`query ${query} is out of range: there are ${this.queries} queries`)
    }
    const from = query * this.k
    return Array.from({ length: this.counts[query]! }, (_, i) => ({
      id: this.ids[this.indices[from + i]!]!,
      score: this.scores[from + i]!,
      similarity: this.similarities[from + i]!,
      deviation: this.deviations[from + i]!,
    }))
  }

  /**
   * Hits of several indexes over disjoint rows = the hits of one index filled part after part, bit for bit.
   * `k` defaults to the smallest k of the parts; a part that holds fewer of its rows cannot be merged to more.
   * @throws UecError ERR_INVALID_ARGUMENT
   */
  static merge(parts: readonly Hits[], k?: number): Hits {
    if (!Array.isArray(parts) || parts.length === 0 || !parts.every((part) => part instanceof Hits)) {
      throw invalid(`merge takes an array of at least one Hits, not ${describe(parts)}`)
    }
    const all = parts.map((part: Hits) => part.#exact)
    const wanted = k === undefined ? Math.min(...all.map((part) => part.wanted)) : integer('k', k, 1)
    for (const [i, part] of all.entries()) {
      if (part.queries !== all[0]!.queries) {
        throw invalid(`parts[${i}] answers ${part.queries} queries, parts[0] answers ${all[0]!.queries}`)
      }
      if (wanted > part.wanted && part.wanted < part.size) {
        throw invalid(`parts[${i}] holds the best ${part.wanted} only: search it with k >= ${wanted}`)
      }
    }
    return new Hits(mergeExact(all, wanted))
  }
}

/** Ids in order of first use. */
class IdTable {
  readonly list: string[] = []
  readonly #indices = new Map<string, number>()

  indexOf(id: string): number {
    let index = this.#indices.get(id)
    if (index === undefined) {
      index = this.list.push(id) - 1
      this.#indices.set(id, index)
    }
    return index
  }
}

/** Cells per query. */
function strideOf({ queries, scores }: ExactHits): number {
  return queries === 0 ? 0 : scores.length / queries
}

/** The first k of every `stride` cells, rounded to float32, -Infinity where there are fewer. */
function firstCells(exact: Float64Array, queries: number, stride: number, k: number): Float32Array {
  const cells = new Float32Array(queries * k).fill(-Infinity)
  for (let query = 0; query < queries; query++) {
    const from = query * stride
    cells.set(exact.subarray(from, from + Math.min(k, stride)), query * k)
  }
  return cells
}

/** Merges by (score, part, position in the part): each part's rows are in order already. */
function mergeExact(parts: readonly ExactHits[], wanted: number): ExactHits {
  const queries = parts[0]!.queries
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const stride = Math.min(size, hitsToFind(wanted))
  const ids = new IdTable()
  const merged: ExactHits = {
    queries,
    wanted,
    size,
    ids: ids.list,
    counts: new Uint32Array(queries),
    indices: new Uint32Array(queries * stride).fill(UNUSED),
    scores: new Float64Array(queries * stride).fill(-Infinity),
    similarities: new Float64Array(queries * stride).fill(-Infinity),
    deviations: new Float64Array(queries * stride).fill(-Infinity),
  }
  for (let query = 0; query < queries; query++) {
    const next = parts.map((part) => query * strideOf(part))
    const ends = parts.map((part, p) => next[p]! + part.counts[query]!)
    for (let cell = query * stride; cell < (query + 1) * stride; cell++) {
      let best = -1
      for (const [p, part] of parts.entries()) {
        if (next[p]! === ends[p]!) continue
        if (best < 0 || part.scores[next[p]!]! > parts[best]!.scores[next[best]!]!) best = p
      }
      if (best < 0) break
      const part = parts[best]!
      const from = next[best]!++
      merged.indices[cell] = ids.indexOf(part.ids[part.indices[from]!]!)
      merged.scores[cell] = part.scores[from]!
      merged.similarities[cell] = part.similarities[from]!
      merged.deviations[cell] = part.deviations[from]!
      merged.counts[query]!++
    }
  }
  return merged
}
