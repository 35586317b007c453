/** Rows of an input: a line of text, a JSON object, or a record of a CSV or TSV file with a header. */
import { pipeline, Readable } from 'node:stream'
import { type CsvError, parse } from 'csv-parse'
import { InputError } from '../exit.ts'
import { lines, sourceName } from './lines.ts'

export type Format = 'lines' | 'jsonl' | 'csv' | 'tsv'

export interface Row {
  /** By name; a plain line is its `text`. Columns named negative… of a table are gathered in `negatives`. */
  fields: Readonly<Record<string, unknown>>
  /** `file:line`, for messages. */
  where: string
  line: number
}

/** The format that the name of a file tells; lines where it tells nothing. */
export function formatOf(source: string): Format {
  const extension = /\.([a-z]+)$/i.exec(source)?.[1]?.toLowerCase()
  if (extension === 'jsonl' || extension === 'ndjson') return 'jsonl'
  return extension === 'csv' || extension === 'tsv' ? extension : 'lines'
}

/** Columns that the header of a table must name: all of one of these lists. */
export type Columns = readonly (readonly string[])[]

/** Streams the rows of one source; `-` is standard input. A row that cannot be read is an InputError. */
export function rows(
  source: string,
  signal: AbortSignal,
  columns: Columns,
  format = formatOf(source),
): AsyncGenerator<Row> {
  switch (format) {
    case 'lines':
      return textRows(source, signal)
    case 'jsonl':
      return jsonRows(source, signal)
    case 'csv':
      return tableRows(source, signal, columns, { delimiter: ',' })
    case 'tsv':
      // Tab-separated values know no quoting: a quote is a character like others.
      return tableRows(source, signal, columns, { delimiter: '\t', quote: null })
  }
}

async function* textRows(source: string, signal: AbortSignal): AsyncGenerator<Row> {
  for await (const { text, number } of lines(source, signal))
    yield { fields: { text }, where: `${sourceName(source)}:${number}`, line: number }
}

async function* jsonRows(source: string, signal: AbortSignal): AsyncGenerator<Row> {
  for await (const { text, number } of lines(source, signal)) {
    if (text.trim() === '') continue
    const where = `${sourceName(source)}:${number}`
    const value = parseJson(text, where)
    if (typeof value === 'string') yield { fields: { text: value }, where, line: number }
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield { fields: value as Record<string, unknown>, where, line: number }
    else throw new InputError(`${where}: a JSON object is expected, such as {"text": "…"}`)
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`${where}: not JSON: ${(error as Error).message}`)
  }
}

async function* tableRows(
  source: string,
  signal: AbortSignal,
  columns: Columns,
  dialect: { delimiter: string; quote?: null },
): AsyncGenerator<Row> {
  const parser = parse({ ...dialect, info: true, relax_column_count: true, skip_empty_lines: true })
  const input = Readable.from(withNewlines(source, signal))
  // An error of the input reaches the loop below through the parser; nothing is left for the callback.
  pipeline(input, parser, () => {})
  let header: string[] | undefined
  try {
    for await (const entry of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { record, info } = entry
      const where = `${sourceName(source)}:${info.lines}`
      if (!header) {
        header = headerOf(record, columns, where)
        continue
      }
      if (record.length !== header.length)
        throw new InputError(`${where}: ${record.length} fields, but the header has ${header.length}`)
      yield { fields: fieldsOf(header, record), where, line: info.lines }
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!isCsvError(error)) throw error
    throw new InputError(`${sourceName(source)}:${String(error.lines ?? '?')}: ${error.message}`)
  }
}

function headerOf(record: readonly string[], columns: Columns, where: string): string[] {
  const header = record.map((name) => name.trim().toLowerCase())
  if (columns.some((names) => names.every((name) => header.includes(name)))) return header
  const wanted = columns.map((names) => names.join(', ')).join('; or ')
  const found = record.map((name) => `"${name.trim()}"`).join(', ')
  throw new InputError(`${where}: the first line must name the columns: ${wanted} (found ${found})`)
}

async function* withNewlines(source: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const { text } of lines(source, signal)) yield `${text}\n`
}

function fieldsOf(header: readonly string[], record: readonly string[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  const negatives: string[] = []
  header.forEach((name, column) => {
    const value = record[column]!
    if (!/^negatives?[_ -]?\d*$/.test(name)) fields[name] = value
    else if (value !== '') negatives.push(value)
  })
  if (negatives.length > 0) fields.negatives = negatives
  return fields
}

function isCsvError(error: unknown): error is CsvError {
  return error instanceof Error && 'code' in error && /^(CSV_|INVALID_OPENING_QUOTE)/.test(String(error.code))
}
