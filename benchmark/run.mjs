// npm run bench: search and fit against the machine's limits, against plain JS and against other libraries. See README.md.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { Bench } from './bench.mjs'
import { measuringProgram } from './build.mjs'
import { GOALS } from './goals.mjs'
import { progress } from './progress.mjs'
import { describe, environment } from './report/environment.mjs'
import { limits, terminal } from './report/table.mjs'
import { write } from './report/write.mjs'
import * as curvature from './sections/curvature.mjs'
import * as curves from './sections/curves.mjs'
import * as eventLoop from './sections/event-loop.mjs'
import * as fit from './sections/fit.mjs'
import * as kernels from './sections/kernels.mjs'
import * as machine from './sections/limits.mjs'
import * as memory from './sections/memory.mjs'
import * as opening from './sections/opening.mjs'
import * as peers from './sections/peers.mjs'

const SECTIONS = [machine, kernels, peers, curvature, fit, eventLoop, opening, memory, curves]
const here = fileURLToPath(new URL('.', import.meta.url))
const known = SECTIONS.flatMap(({ rows }) => rows)

const count = (text) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('an integer of at least 1')
  return value
}
const starts = (text, before) => {
  const names = text.split(',')
  if (names.some((name) => !known.some((id) => id.startsWith(name))))
    throw new InvalidArgumentError(`some of ${known.join(', ')}`)
  return [...before, ...names]
}

const options = new Command('npm run bench --')
  .description("Measures search and fit against this machine's limits, plain JavaScript and other libraries.")
  .option('--short', 'tiny sizes and one round: does everything, says nothing about speed')
  .addOption(new Option('--rows <n>', 'rows in the index (1 000 000)').argParser(count).env('UEC_BENCH_ROWS'))
  .option('--pairs <n>', 'pairs of a fit (4 096)', count)
  .option('--rounds <n>', 'rounds of each row (7)', count)
  .option('--only <rows>', 'only rows whose names start so, with commas between them', starts, [])
  .option('--list', 'print the names of the rows and end')
  .option(
    '--out <folder>',
    'where to write JSON, report and figures (benchmark/results; not with --short or --only)',
  )
  .parse()
  .opts()

if (options.list) {
  for (const id of known)
    console.log(`${id.padEnd(20)} ${GOALS.find((goal) => goal.id === id)?.work ?? ''}`.trim())
  process.exit()
}

const { short = false, only } = options
const bench = new Bench({
  ...{ short, only, progress, program: measuringProgram() },
  rows: options.rows ?? (short ? 3000 : 1_000_000),
  rounds: options.rounds ?? (short ? 1 : 7),
  pairs: options.pairs ?? (short ? 64 : 4096),
})
for (const section of SECTIONS) if (section.rows.some((id) => bench.wants(id))) await section.run(bench)
progress.end()

const found = await environment(bench)
console.log(`${describe(found)}\n${bench.rows} rows, ${bench.rounds} rounds`)
for (const line of limits(bench)) console.log(line)
console.log(terminal(bench))
const out = options.out ?? (short || only.length > 0 ? undefined : join(here, 'results'))
if (out) await write(bench, found, out)
