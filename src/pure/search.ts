/** The exact top k over the rows as they are kept: every row decoded and scored by the canonical routine. */

import type { RankedHits, Rows, SearchPlan } from '../backend.ts'
import { TimeSlice } from '../time-slice.ts'
import type { State } from './index-state.ts'
import { RowReader } from './row-reader.ts'
import type { RowFormat } from './rows.ts'
import { type Moments, moments, pairScore } from './scores.ts'
import { TopK } from './top-k.ts'

/**
 * Searches a state; `chosen[row]` = 1 marks the rows, counted through all blocks, that may be hits; absent means all.
 * Rows are visited tile by tile, so that a tile serves all queries while it is in the cache.
 */
export async function search(
  format: RowFormat,
  state: State,
  queries: Rows,
  plan: SearchPlan,
  chosen: Uint8Array | undefined,
  signal?: AbortSignal,
): Promise<RankedHits> {
  const score = pairScore(plan)
  const minScore = plan.minScore ?? -Infinity
  const count = queries.mean.length / queries.dimension
  const k = Math.min(plan.k, state.size)
  const tops = Array.from({ length: count }, () => new TopK(k))
  const slice = new TimeSlice(signal)
  const reader = new RowReader(format, state)
  for (const { rows, start, height } of reader.tiles()) {
    for (let query = 0; query < count; query++) {
      const top = tops[query]!
      for (let row = 0; row < height; row++) {
        if (chosen && chosen[start + row] === 0) continue
        const value = score(queries, query, rows, row)
        if (value >= minScore) top.offer(value, start + row)
        if (slice.spent(2 * format.dimension)) await slice.next()
      }
      if (slice.spent(height)) await slice.next()
    }
  }
  return rank(reader, queries, k, tops, slice)
}

/** The kept rows of each query with their moments. */
async function rank(
  reader: RowReader,
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
      const { id, rows, row } = reader.row(position)
      let index = indices.get(position)
      if (index === undefined) {
        index = found.push(id) - 1
        indices.set(position, index)
      }
      moments(queries, query, rows, row, pair)
      hits.indices[cell] = index
      hits.scores[cell] = score
      hits.similarities[cell] = pair.similarity
      hits.deviations[cell] = Math.sqrt(pair.variance)
      hits.counts[query]!++
      cell++
      if (slice.spent(4 * queries.dimension)) await slice.next()
    }
  }
  return hits
}
