/** What the demonstration found, as numbers: the rows of its table, and what --json prints. */
import { bootstrapDifference, type Interval, mean } from '../../eval/index.ts'
import type { PhaseTime } from '../progress.ts'
import type { Item, Measured } from './evaluate.ts'
import type { Example } from './examples.ts'
import type { Mixing } from './systems.ts'
import { LANGUAGES, type Language } from './texts.ts'

export const RESAMPLES = 2000

export type ByLanguage = Record<Language | 'all', number>

export interface Row {
  system: string
  reference: boolean
  ndcg: ByLanguage
  recall: ByLanguage
  /** Of nDCG@10 to the uniform average, 95 % over documents; absent for the uniform average itself. */
  difference?: Interval
}

export interface Result {
  version: string
  data: {
    name: string
    licence: string
    fitSentences: number
    calibrationLines: number
    testLines: number
    testDocuments: number
    corpus: number
  }
  mixing: Mixing
  rows: Row[]
  examples: Example[]
  /** Whether anything of an earlier run was used. */
  reused: boolean
  phases: PhaseTime[]
  seconds: number
  files: { ensemble: string; index: string; texts: string }
}

/** Rows of the table; 'best single' is put behind the singles that it is one of. */
export function rowsOf(measured: readonly Measured[], items: readonly Item[]): Row[] {
  const documents = items.map(({ document }) => document)
  const uniform = measured.find(({ name }) => name === 'uniform average')!
  const rows = measured.map((system): Row => {
    const { name, reference, ndcg, recall } = system
    const row = { system: name, reference, ndcg: byLanguage(ndcg, items), recall: byLanguage(recall, items) }
    if (system === uniform) return row
    const difference = bootstrapDifference(ndcg, uniform.ndcg, documents, { resamples: RESAMPLES })
    return { ...row, difference }
  })
  const singles = rows.slice(0, LANGUAGES.length)
  const best = singles.reduce((a, b) => (b.ndcg.all > a.ndcg.all ? b : a))
  const named = { ...best, system: `best single (${best.system.split(' ')[0]}, chosen on the test)` }
  return [...singles, named, ...rows.slice(LANGUAGES.length)]
}

function byLanguage(values: readonly number[], items: readonly Item[]): ByLanguage {
  const of = (language: Language) => mean(values.filter((_, i) => items[i]!.language === language))
  return { all: mean(values), en: of('en'), de: of('de'), fr: of('fr') }
}
