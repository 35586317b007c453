/** Every text of the corpus searches all the others; its translations are what it should find. */
import { ndcg, recall } from '../../eval/index.ts'
import { GaussianIndex } from '../../index.ts'
import type { System } from './systems.ts'
import type { Language } from './texts.ts'

export const DEPTH = 10

export interface Item {
  id: string
  language: Language
  /** Line in the corpus files, from 0: translations share it. */
  line: number
  document: string
  text: string
}

/** One system with the measures of every query, in the order of the items. Plain data. */
export interface Measured {
  name: string
  reference: boolean
  ndcg: number[]
  recall: number[]
}

export async function evaluate(
  { name, reference = false, gaussians, score }: System,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<Measured> {
  using index = new GaussianIndex({ dimension: gaussians.dimension })
  await index.add(
    items.map(({ id }) => id),
    gaussians,
  )
  // One hit more, because a text's own row is no candidate: among the eleven best it is taken out, and otherwise the
  // eleventh falls away. Either way the ten left are the exact ten best of the others.
  const hits = await index.search(gaussians, { k: DEPTH + 1, score, signal })
  const translations = groupByLine(items)
  const measured: Measured = { name, reference, ndcg: [], recall: [] }
  items.forEach(({ id, line }, query) => {
    const ranking = hits
      .of(query)
      .map((hit) => hit.id)
      .filter((other) => other !== id)
      .slice(0, DEPTH)
    const judgements = new Map(
      translations
        .get(line)!
        .filter((other) => other.id !== id)
        .map((other) => [other.id, 1]),
    )
    measured.ndcg.push(ndcg(ranking, judgements, DEPTH))
    measured.recall.push(recall(ranking, judgements, DEPTH))
  })
  return measured
}

function groupByLine(items: readonly Item[]): Map<number, Item[]> {
  const groups = new Map<number, Item[]>()
  for (const item of items) {
    const group = groups.get(item.line)
    if (group) group.push(item)
    else groups.set(item.line, [item])
  }
  return groups
}
