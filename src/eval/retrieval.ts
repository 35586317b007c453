/**
 * Measures of one ranking against graded judgements (method §7), as trec_eval computes them.
 *
 *     DCG@k = Σ_{r=1..k} gain(rel_r) / log2(r + 1)      nDCG@k = DCG@k / DCG@k of the best possible ranking
 *     recall@k = relevant among the first k / all relevant      RR@k = 1 / rank of the first relevant one, 0 if none
 *     AP@k = Σ_{r ≤ k, r relevant} precision@r / all relevant
 *
 * A document without a judgement has relevance 0, and relevant means relevance > 0. A query without a relevant document
 * scores 0 everywhere. Recall and AP divide by all relevant documents, retrieved or not.
 */

/** Relevance of each judged document of one query, >= 0. */
export type Judgements<Document> = ReadonlyMap<Document, number>

/** What one relevant document is worth: its relevance ('linear'), or 2^relevance − 1 ('exponential'). */
export type Gain = 'linear' | 'exponential'

/** Order of equal scores: the lower document first ('index'), or, as trec_eval does, the higher one ('trec_eval'). */
export type TieOrder = 'index' | 'trec_eval'

/**
 * The documents of a run, best score first. Documents are compared with `<` where scores are equal: numbers by value,
 * strings by UTF-16 code unit. A NaN score is a RangeError.
 */
export function rank<Document extends string | number>(
  run: Iterable<readonly [Document, number]>,
  ties: TieOrder = 'index',
): Document[] {
  const lowerFirst = ties === 'index' ? -1 : 1
  const entries = [...run]
  for (const [document, score] of entries)
    if (Number.isNaN(score)) throw new RangeError(`the score of document ${document} is not a number`)
  entries.sort(([a, scoreOfA], [b, scoreOfB]) => {
    if (scoreOfA !== scoreOfB) return scoreOfA > scoreOfB ? -1 : 1
    return a === b ? 0 : a < b ? lowerFirst : -lowerFirst
  })
  return entries.map(([document]) => document)
}

/** nDCG of the first k, in [0, 1]; exponential gain unless told otherwise. */
export function ndcg<Document>(
  ranking: readonly Document[],
  judgements: Judgements<Document>,
  k = Number.POSITIVE_INFINITY,
  gain: Gain = 'exponential',
): number {
  const ideal = dcg(
    [...judgements.values()].filter((relevance) => relevance > 0).sort((a, b) => b - a),
    k,
    gain,
  )
  if (ideal === 0) return 0
  return (
    dcg(
      ranking.map((document) => judgements.get(document) ?? 0),
      k,
      gain,
    ) / ideal
  )
}

/** Share of all relevant documents that are among the first k, in [0, 1]. */
export function recall<Document>(
  ranking: readonly Document[],
  judgements: Judgements<Document>,
  k = Number.POSITIVE_INFINITY,
): number {
  const relevant = countRelevant(judgements)
  if (relevant === 0) return 0
  const found = ranking.slice(0, k).filter((document) => isRelevant(judgements, document)).length
  return found / relevant
}

/** 1 / rank of the first relevant document among the first k, 0 where there is none. */
export function reciprocalRank<Document>(
  ranking: readonly Document[],
  judgements: Judgements<Document>,
  k = Number.POSITIVE_INFINITY,
): number {
  const position = ranking.slice(0, k).findIndex((document) => isRelevant(judgements, document))
  return position < 0 ? 0 : 1 / (position + 1)
}

/** Average precision of the first k, in [0, 1]; its mean over queries is MAP. */
export function averagePrecision<Document>(
  ranking: readonly Document[],
  judgements: Judgements<Document>,
  k = Number.POSITIVE_INFINITY,
): number {
  const relevant = countRelevant(judgements)
  if (relevant === 0) return 0
  let found = 0
  let sum = 0
  ranking.slice(0, k).forEach((document, position) => {
    if (!isRelevant(judgements, document)) return
    found += 1
    sum += found / (position + 1)
  })
  return sum / relevant
}

/** Arithmetic mean, 0 of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i += 1) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}

function dcg(relevances: readonly number[], k: number, gain: Gain): number {
  let sum = 0
  for (let position = 0; position < Math.min(k, relevances.length); position += 1) {
    const relevance = relevances[position]!
    if (relevance > 0) sum += (gain === 'linear' ? relevance : 2 ** relevance - 1) / Math.log2(position + 2)
  }
  return sum
}

function isRelevant<Document>(judgements: Judgements<Document>, document: Document): boolean {
  return (judgements.get(document) ?? 0) > 0
}

function countRelevant<Document>(judgements: Judgements<Document>): number {
  let count = 0
  for (const relevance of judgements.values()) if (relevance > 0) count += 1
  return count
}
