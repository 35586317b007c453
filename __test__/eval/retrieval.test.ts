import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  averagePrecision,
  mean,
  ndcg,
  rank,
  recall,
  reciprocalRank,
  type TieOrder,
} from '../../src/eval/index.ts'

interface Query {
  qid: string
  qrels: Record<string, number> | null
  run: [number, number][] | null
  expect: Record<TieOrder, Record<string, number>> | null
}
interface Collection {
  kind: string
  queries: Query[]
  mean_over_evaluated: Record<TieOrder, Record<string, number>>
  mean_over_all_qrels: Record<TieOrder, Record<string, number>>
}

// Computed by trec_eval (pytrec_eval-terrier) and scikit-learn.
const golden = JSON.parse(
  readFileSync(new URL('../fixtures/golden/metrics.json', import.meta.url), 'utf8'),
) as { retrieval: Collection[] }

function measure(name: string, ranking: readonly number[], judgements: ReadonlyMap<number, number>): number {
  const [measureName, cut] = name.split('@')
  const k = cut === undefined ? Number.POSITIVE_INFINITY : Number(cut)
  switch (measureName) {
    case 'ndcg_linear':
      return ndcg(ranking, judgements, k, 'linear')
    case 'ndcg_exponential':
      return ndcg(ranking, judgements, k, 'exponential')
    case 'recall':
      return recall(ranking, judgements, k)
    case 'mrr':
      return reciprocalRank(ranking, judgements, k)
    case 'map':
      return averagePrecision(ranking, judgements, k)
    default:
      throw new Error(`unknown measure ${name}`)
  }
}

const judgementsOf = (query: Query) =>
  new Map(Object.entries(query.qrels!).map(([document, relevance]) => [Number(document), relevance]))

describe.each(golden.retrieval)('$kind', (collection) => {
  describe.each(['index', 'trec_eval'] as const)('ties by %s', (ties) => {
    test('every measure of every query', () => {
      let compared = 0
      for (const query of collection.queries) {
        if (!query.qrels || !query.run || !query.expect) continue
        const ranking = rank(query.run, ties)
        for (const [name, value] of Object.entries(query.expect[ties])) {
          expect(
            Math.abs(measure(name, ranking, judgementsOf(query)) - value),
            `${query.qid} ${name}`,
          ).toBeLessThanOrEqual(1e-9)
          compared += 1
        }
      }
      expect(compared).toBeGreaterThan(40)
    })

    test('means over evaluated queries, and over all judged ones', () => {
      const judged = collection.queries.filter((query) => query.qrels)
      const evaluated = judged.filter((query) => query.run)
      for (const [queries, expected] of [
        [evaluated, collection.mean_over_evaluated],
        [judged, collection.mean_over_all_qrels],
      ] as const) {
        for (const [name, value] of Object.entries(expected[ties])) {
          const values = queries.map((query) =>
            measure(name, rank(query.run ?? [], ties), judgementsOf(query)),
          )
          expect(Math.abs(mean(values) - value), name).toBeLessThanOrEqual(1e-9)
        }
      }
    })
  })
})

test('two relevant documents at ranks 1 and 3: closed form', () => {
  const judgements = new Map([
    ['a', 1],
    ['b', 1],
  ])
  const ranking = ['a', 'x', 'b']
  expect(ndcg(ranking, judgements, 10)).toBeCloseTo(1.5 / (1 + 1 / Math.log2(3)), 12)
  expect(recall(ranking, judgements, 2)).toBe(0.5)
  expect(averagePrecision(ranking, judgements)).toBeCloseTo((1 + 2 / 3) / 2, 12)
  expect(reciprocalRank(['x', 'b'], judgements)).toBe(0.5)
})

test('a score that is not a number is refused', () => {
  expect(() => rank([['a', Number.NaN]])).toThrow(RangeError)
})
