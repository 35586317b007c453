/** `uec search`: the exact top k of an index for texts (method §6). */
import Table from 'cli-table3'
import { Command, Option } from 'commander'
import type { Hit, SearchOptions } from '../../index.ts'
import { SCORES } from '../../scores.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../exit.ts'
import type { Format } from '../input/rows.ts'
import { readTexts } from '../input/texts.ts'
import { library } from '../library.ts'
import { openModel } from '../model.ts'
import {
  addEncoderOptions,
  defined,
  type EncoderFlags,
  encoderOptions,
  formatOption,
  integer,
  jsonOption,
  notNegative,
  number,
} from '../options.ts'

interface Flags extends EncoderFlags, Pick<SearchOptions, 'k' | 'score' | 'beta' | 'minScore'> {
  posterior?: string
  queries?: string[]
  texts?: string[]
  prompt?: string
  format?: Format
  json?: boolean
}

interface Result {
  query: string
  valid: boolean
  coefficients?: number[]
  /** The best score minus the second; null where there is no second. */
  margin: number | null
  hits: (Hit & { text?: string })[]
}

const EXAMPLES = `
Examples:
  $ uec search ensemble corpus.uec "Wer hat die Wahl gewonnen?"
  $ uec search ensemble corpus.uec --queries questions.txt -k 5 --json
  $ uec search ensemble corpus.uec "climate" --texts corpus.jsonl      (shows the texts of the hits)`

export function searchCommand(context: Context): Command {
  const command = new Command('search')
    .description('find the best texts of an index')
    .argument('<model>', 'the model that filled the index')
    .argument('<index>', 'the index file')
    .argument('[query...]', 'what to search for: each argument is one query, so quote one of several words')
    .option('-k, --k <n>', 'hits of a query (10)', integer(1))
    .addOption(new Option('--score <name>', 'what to rank by (uec)').choices(SCORES))
    .option('--beta <beta>', 'weight of the variance in the score (1)', notNegative)
    .option('--min-score <score>', 'leave out hits below', number())
    .option('--queries <file...>', 'queries as lines or JSONL; - is standard input')
    .option('--texts <file...>', 'the texts of the index, to show them')
    .option('-p, --posterior <file>', 'posterior of a single encoder')
    .option('--prompt <name>', "a prompt of the model, such as 'query'")
    .addOption(formatOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, file: string, query: string[], flags: Flags) =>
    search(context, model, file, query, flags),
  )
}

async function search(
  { signal }: Context,
  path: string,
  file: string,
  given: string[],
  flags: Flags,
): Promise<void> {
  const queries = [...given]
  const read = { signal, format: flags.format, skipBlank: true }
  for await (const { text } of readTexts(flags.queries ?? [], read)) queries.push(text)
  if (queries.length === 0) throw new UsageError('give a query, or --queries with a file of them')
  const texts = new Map<string, string>()
  for await (const { id, text } of readTexts(flags.texts ?? [], read)) texts.set(id, text)

  const { GaussianIndex } = await library()
  using index = await GaussianIndex.open(file, { readonly: true })
  await using model = await openModel(path, { posterior: flags.posterior, encoder: encoderOptions(flags) })
  const batch = await model.embed(queries, { signal, ...(flags.prompt && { prompt: flags.prompt }) })
  const { k, score, beta, minScore } = flags
  const options = defined({ k, score, beta, minScore }) as SearchOptions
  const hits = await index.search(batch, { ...options, signal })
  const results = queries.map(
    (query, i): Result => ({
      query,
      valid: batch.valid[i] === 1,
      ...(batch.coefficients && { coefficients: coefficientsOf(batch.coefficients, batch.length, i) }),
      margin: Number.isFinite(hits.margins[i]) ? hits.margins[i]! : null,
      hits: hits.of(i).map((hit) => {
        const text = texts.get(hit.id)
        return text === undefined ? hit : { ...hit, text }
      }),
    }),
  )
  if (flags.json) console.log(JSON.stringify(results))
  else for (const result of results) print(result, texts.size > 0)
}

function coefficientsOf(coefficients: Float32Array, rows: number, row: number): number[] {
  const members = coefficients.length / rows
  return Array.from(coefficients.subarray(row * members, (row + 1) * members))
}

function print({ query, valid, coefficients, margin, hits }: Result, withTexts: boolean): void {
  console.log(query)
  if (coefficients) console.log(`  coefficients ${coefficients.map((c) => c.toFixed(3)).join(', ')}`)
  if (!valid) console.log('  nothing in this query could be embedded')
  else if (margin !== null && hits.length > 0)
    console.log(`  margin ${margin.toFixed(4)}: the best single sign that the first hit is right`)
  const table = new Table({
    head: ['', 'id', 'score', 'similarity', 'σ', ...(withTexts ? ['text'] : [])],
    style: { head: [], border: [], compact: true },
  })
  hits.forEach(({ id, score, similarity, deviation, text }, rank) => {
    const numbers = [score, similarity, deviation].map((value) => value.toFixed(4))
    table.push([rank + 1, id, ...numbers, ...(withTexts ? [shorten(text ?? '', 70)] : [])])
  })
  console.log(hits.length === 0 ? '  no hits' : table.toString())
}

/** At most `width` characters, an ellipsis in place of the rest. */
export function shorten(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width
    ? text
    : `${characters
        .slice(0, width - 1)
        .join('')
        .trimEnd()}…`
}
