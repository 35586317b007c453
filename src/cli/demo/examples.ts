/** One query of each language, the whole way that an application goes: embed, mix, search an index. */
import type { Ensemble, GaussianIndex, Hit } from '../../index.ts'
import type { Item } from './evaluate.ts'
import { LANGUAGES, type Language } from './texts.ts'

const SHOWN = 3

export interface Example {
  language: Language
  id: string
  text: string
  /** By expert, in the order of LANGUAGES. */
  coefficients: number[]
  /** 1 − ‖Σ π_k μ_k‖²: how far the experts point apart. */
  disagreement: number
  hits: (Hit & { language: Language; text: string; relevant: boolean })[]
}

/** Items at a quarter, a half and three quarters of the test lines, one in each language: chosen before any result. */
export function exampleItems(items: readonly Item[]): Item[] {
  return LANGUAGES.map((language, i) => {
    const own = items.filter((item) => item.language === language)
    return own[Math.floor((own.length * (i + 1)) / 4)]!
  })
}

export async function runExamples(
  ensemble: Ensemble,
  index: GaussianIndex,
  queries: readonly Item[],
  items: readonly Item[],
  signal: AbortSignal,
): Promise<Example[]> {
  const byId = new Map(items.map((item) => [item.id, item]))
  const batch = await ensemble.embed(
    queries.map(({ text }) => text),
    { signal },
  )
  const hits = await index.search(batch, { k: SHOWN + 1, signal })
  const experts = ensemble.members.length
  return queries.map((query, i) => ({
    language: query.language,
    id: query.id,
    text: query.text,
    coefficients: Array.from(batch.coefficients.subarray(i * experts, (i + 1) * experts)),
    disagreement: batch.disagreement[i]!,
    hits: hits
      .of(i)
      .filter(({ id }) => id !== query.id)
      .slice(0, SHOWN)
      .map((hit) => {
        const { language, text, line } = byId.get(hit.id)!
        return { ...hit, language, text, relevant: line === query.line }
      }),
  }))
}
