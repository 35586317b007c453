/** Pairs and all pairs through the canonical routine (method §6), in slices that leave the event loop free. */

import type { Rows } from '../backend.ts'
import type { ScorePlan, Scores } from '../scores.ts'
import { TimeSlice } from '../time-slice.ts'
import { type Moments, moments, pairScore } from './scores.ts'

/** Row i against row i. */
export async function pairwise(
  queries: Rows,
  candidates: Rows,
  plan: ScorePlan,
  signal?: AbortSignal,
): Promise<Scores> {
  const rows = queries.mean.length / queries.dimension
  return scorePairs(
    queries,
    candidates,
    plan,
    rows,
    (cell) => cell,
    (cell) => cell,
    signal,
  )
}

/** Every query against every candidate, queries×candidates. */
export async function allPairs(
  queries: Rows,
  candidates: Rows,
  plan: ScorePlan,
  signal?: AbortSignal,
): Promise<Scores> {
  const width = candidates.mean.length / candidates.dimension
  const pairs = (queries.mean.length / queries.dimension) * width
  const query = (cell: number) => Math.floor(cell / width)
  return scorePairs(queries, candidates, plan, pairs, query, (cell) => cell % width, signal)
}

async function scorePairs(
  queries: Rows,
  candidates: Rows,
  plan: ScorePlan,
  pairs: number,
  query: (cell: number) => number,
  candidate: (cell: number) => number,
  signal?: AbortSignal,
): Promise<Scores> {
  const score = pairScore(plan)
  const result: Scores = {
    scores: new Float32Array(pairs),
    similarities: new Float32Array(pairs),
    deviations: new Float32Array(pairs),
  }
  const pair: Moments = { similarity: 0, variance: 0 }
  const slice = new TimeSlice(signal)
  for (let cell = 0; cell < pairs; cell++) {
    const i = query(cell)
    const j = candidate(cell)
    moments(queries, i, candidates, j, pair)
    result.scores[cell] = score(queries, i, candidates, j)
    result.similarities[cell] = pair.similarity
    result.deviations[cell] = Math.sqrt(pair.variance)
    if (slice.spent(4 * queries.dimension)) await slice.next()
  }
  return result
}
