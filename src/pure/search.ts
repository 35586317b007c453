/** The exact top k: every row scored by the canonical routine, one heap per query. */

import type { RankedHits, Rows, SearchPlan } from '../backend.ts'
import { TimeSlice } from '../time-slice.ts'
import type { RowBlocks } from './row-blocks.ts'
import { type Moments, moments, pairScore } from './scores.ts'
import { TopK } from './top-k.ts'

/**
 * Searches the first `ids.length` rows; `chosen[position]` = 1 marks those that may be hits, absent means all. Rows are
 * visited block by block, so that a block serves all queries while it is in the cache.
 */
export async function search(
  rows: RowBlocks,
  ids: readonly string[],
  queries: Rows,
  plan: SearchPlan,
  chosen: Uint8Array | undefined,
  signal?: AbortSignal,
): Promise<RankedHits> {
  const score = pairScore(plan)
  const minScore = plan.minScore ?? -Infinity
  const count = queries.mean.length / queries.dimension
  const k = Math.min(plan.k, ids.length)
  const tops = Array.from({ length: count }, () => new TopK(k))
  const slice = new TimeSlice(signal)
  for (let start = 0; start < ids.length; start += rows.height) {
    const block = rows.block(start)
    const height = Math.min(rows.height, ids.length - start)
    for (let query = 0; query < count; query++) {
      const top = tops[query]!
      for (let row = 0; row < height; row++) {
        if (chosen && chosen[start + row] === 0) continue
        const value = score(queries, query, block, row)
        if (value >= minScore) top.offer(value, start + row)
        if (slice.spent(2 * rows.dimension)) await slice.next()
      }
      if (slice.spent(rows.height)) await slice.next()
    }
  }
  return rank(rows, ids, queries, k, tops, slice)
}

/** The kept rows of each query with their moments. */
async function rank(
  rows: RowBlocks,
  ids: readonly string[],
  queries: Rows,
  k: number,
  tops: readonly TopK[],
  slice: TimeSlice,
): Promise<RankedHits> {
  const cells = tops.length * k
  const found: string[] = []
  const hits: RankedHits = {
    ids: found,
    counts: new Uint32Array(tops.length),
    indices: new Uint32Array(cells).fill(0xffffffff),
    scores: new Float64Array(cells).fill(-Infinity),
    similarities: new Float64Array(cells).fill(-Infinity),
    deviations: new Float64Array(cells).fill(-Infinity),
  }
  const indices = new Map<number, number>()
  const pair: Moments = { similarity: 0, variance: 0 }
  for (const [query, top] of tops.entries()) {
    let cell = query * k
    for (const { score, position } of top.ranked()) {
      let index = indices.get(position)
      if (index === undefined) {
        index = found.push(ids[position]!) - 1
        indices.set(position, index)
      }
      moments(queries, query, rows.block(position), position % rows.height, pair)
      hits.indices[cell] = index
      hits.scores[cell] = score
      hits.similarities[cell] = pair.similarity
      hits.deviations[cell] = Math.sqrt(pair.variance)
      hits.counts[query]!++
      cell++
      if (slice.spent(4 * rows.dimension)) await slice.next()
    }
  }
  return hits
}
