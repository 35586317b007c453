/** Texts and pairs out of rows. */
import { stat } from 'node:fs/promises'
import type { Pair } from '../../index.ts'
import { InputError } from '../exit.ts'
import { type Columns, type Format, type Row, rows } from './rows.ts'

export interface Text {
  /** What the row says, or its line number, with the name of the file before it where there are several. */
  id: string
  text: string
  where: string
}

export interface ReadOptions {
  signal: AbortSignal
  format?: Format | undefined
  /** Leave out rows without text; kept unless told otherwise, so that rows stay aligned with lines. */
  skipBlank?: boolean
}

const TEXT: Columns = [['text']]
const PAIR: Columns = [['query', 'positive']]

export async function* readTexts(
  sources: readonly string[],
  { signal, format, skipBlank = false }: ReadOptions,
): AsyncGenerator<Text> {
  for (const source of sources) {
    for await (const row of rows(source, signal, TEXT, format)) {
      const text = textOf(row)
      if (skipBlank && text.trim() === '') continue
      yield { id: idOf(row) ?? (sources.length > 1 ? row.where : String(row.line)), text, where: row.where }
    }
  }
}

export async function* readPairs(
  sources: readonly string[],
  { signal, format }: ReadOptions,
): AsyncGenerator<Pair> {
  for (const source of sources) for await (const row of rows(source, signal, PAIR, format)) yield pairOf(row)
}

/** What `fit` takes: pairs where the first row has a query, texts otherwise; blank texts are left out. */
export async function* readPairsOrTexts(
  sources: readonly string[],
  { signal, format }: ReadOptions,
): AsyncGenerator<Pair | string> {
  let pairs: boolean | undefined
  for (const source of sources) {
    for await (const row of rows(source, signal, [...PAIR, ...TEXT], format)) {
      const isPair = 'query' in row.fields || 'positive' in row.fields
      pairs ??= isPair
      if (isPair !== pairs)
        throw new InputError(
          `${row.where}: a ${isPair ? 'pair' : 'text'} among ${pairs ? 'pairs' : 'texts'}; fit takes one or the other`,
        )
      if (isPair) yield pairOf(row)
      else {
        const text = textOf(row)
        if (text.trim() !== '') yield text
      }
    }
  }
}

/**
 * How many items `readPairsOrTexts` will give, where all sources are files that can be read twice. Reading them all shows a bad row
 * before hours of work instead of after.
 */
export async function countItems(
  sources: readonly string[],
  options: ReadOptions,
): Promise<number | undefined> {
  for (const source of sources) {
    // What is missing is left to the reader, who has the right message for it.
    const isFile =
      source !== '-' &&
      (await stat(source).then(
        (found) => found.isFile(),
        () => true,
      ))
    if (!isFile) return undefined
  }
  let count = 0
  for await (const _ of readPairsOrTexts(sources, options)) count += 1
  return count
}

/** Items in arrays of `size`, the last one shorter. */
export async function* chunks<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = []
  for await (const item of items) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

function textOf({ fields, where }: Row): string {
  const text = fields.text
  if (typeof text !== 'string') throw new InputError(`${where}: no "text"; found ${namesOf(fields)}`)
  return text
}

function idOf({ fields, where }: Row): string | undefined {
  const id = fields.id
  if (id === undefined) return undefined
  if (typeof id === 'string' && id !== '') return id
  if (typeof id === 'number') return String(id)
  throw new InputError(`${where}: "id" must be a string or a number`)
}

function pairOf({ fields, where }: Row): Pair {
  const side = (name: 'query' | 'positive') => {
    const value = fields[name]
    if (typeof value !== 'string') throw new InputError(`${where}: no "${name}"; found ${namesOf(fields)}`)
    if (value.trim() === '') throw new InputError(`${where}: "${name}" is empty`)
    return value
  }
  const pair = { query: side('query'), positive: side('positive') }
  const negatives = fields.negatives
  if (negatives === undefined) return pair
  if (!Array.isArray(negatives) || negatives.some((negative) => typeof negative !== 'string'))
    throw new InputError(`${where}: "negatives" must be a list of texts`)
  return { ...pair, negatives: negatives as string[] }
}

function namesOf(fields: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(fields)
  return names.length === 0 ? 'nothing' : names.map((name) => `"${name}"`).join(', ')
}
