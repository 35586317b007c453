/**
 * The sentences of the demonstration: NTREX-128 in three languages, split by whole documents.
 *
 * The experts were distilled on lines 1–1000, so fitting uses the documents that lie within them, and everything that is
 * measured comes after. A document that the border cuts is left out.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pair } from '../../index.ts'
import { InputError } from '../exit.ts'

export const LANGUAGES = ['en', 'de', 'fr'] as const
export type Language = (typeof LANGUAGES)[number]

const FILES: Record<Language, string> = { en: 'eng.txt', de: 'deu.txt', fr: 'fra.txt' }

/** The last line that the experts may have seen in training. */
export const LAST_SEEN_LINE = 1000
/** Calibration takes whole documents until it has so many lines. */
export const CALIBRATION_LINES = 200

export interface Corpus {
  /** The sentences of each language; line i is the same sentence in all of them. */
  lines: Record<Language, string[]>
  /** The document of each line. */
  documents: string[]
}

/** Positions (from 0) of the lines for each use, in order. */
export interface Split {
  fit: number[]
  calibrate: number[]
  test: number[]
}

export function readCorpus(directory: string): Corpus {
  const read = (name: string) => {
    try {
      return readFileSync(join(directory, name), 'utf8').trimEnd().split(/\r?\n/)
    } catch {
      throw new InputError(
        `${join(directory, name)} is missing; run the demo in a clone of the repository, or name the folder of models with --models`,
      )
    }
  }
  const documents = read('DOCUMENT_IDS.tsv')
  const lines = { en: read(FILES.en), de: read(FILES.de), fr: read(FILES.fr) }
  for (const language of LANGUAGES)
    if (lines[language].length !== documents.length)
      throw new InputError(
        `${join(directory, FILES[language])} has ${lines[language].length} lines, DOCUMENT_IDS.tsv ${documents.length}`,
      )
  return { lines, documents }
}

/** Splits by whole documents: those within the first `seen` lines, then until `calibration` lines, then the rest. */
export function split(
  documents: readonly string[],
  seen = LAST_SEEN_LINE,
  calibration = CALIBRATION_LINES,
): Split {
  const result: Split = { fit: [], calibrate: [], test: [] }
  for (const [start, end] of runs(documents)) {
    const range = Array.from({ length: end - start }, (_, i) => start + i)
    if (end <= seen) result.fit.push(...range)
    else if (start < seen) continue
    else if (result.test.length === 0 && result.calibrate.length < calibration)
      result.calibrate.push(...range)
    else result.test.push(...range)
  }
  return result
}

/**
 * One translation pair a line: en–de, de–fr, fr–en in turn, so that every language is on both sides equally often, and no
 * sentence is in the batch twice (its copy would be a wrong negative of its own translation).
 */
export function translationPairs({ lines }: Corpus, positions: readonly number[]): Pair[] {
  return positions.map((position, i) => ({
    query: lines[LANGUAGES[i % 3]!][position]!,
    positive: lines[LANGUAGES[(i + 1) % 3]!][position]!,
  }))
}

/** [start, end) of each run of equal values. */
function* runs(values: readonly string[]): Generator<[number, number]> {
  let start = 0
  for (let end = 1; end <= values.length; end += 1) {
    if (end < values.length && values[end] === values[start]) continue
    yield [start, end]
    start = end
  }
}
