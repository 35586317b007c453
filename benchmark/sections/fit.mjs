// The whole fit of the English encoder of `models/`, against embedding the same texts; a baked graph against the plain one.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { alternate } from '../measure/alternate.mjs'
import { during } from '../measure/child.mjs'
import { summary, times } from '../measure/statistics.mjs'

const models = fileURLToPath(new URL('../../models/', import.meta.url))
const MODEL = join(models, 'minilm-l6-en')
const TEXTS = join(models, 'texts', 'ntrex', 'eng.txt')
const THREADS = 2
/** A round takes minutes. */
const ROUNDS = 3
const SIDES = { fit: 'both', 'fit-query': 'query' }
const FITS = Object.keys(SIDES)

export const rows = [...FITS, 'bake-overhead']

export async function run(bench) {
  if (FITS.some((id) => bench.wants(id)))
    await bench.attempt(FITS, () => during(bench.node('children/encoder.mjs'), (uec) => fits(bench, uec)))
  if (bench.wants('bake-overhead')) await bench.attempt(['bake-overhead'], () => overhead(bench))
}

/** Both fits beside one embedding of the texts, which is half of the work. */
async function fits(bench, uec) {
  const wanted = FITS.filter((id) => bench.wants(id))
  bench.progress.row(wanted[0], `${bench.pairs} pairs`)
  const { tokens } = await uec.ask({
    do: 'load',
    model: MODEL,
    texts: TEXTS,
    pairs: bench.pairs,
    threads: THREADS,
  })
  const works = { forward: () => uec.ask({ do: 'forward' }) }
  for (const id of wanted) works[id] = () => uec.ask({ do: 'fit', sides: SIDES[id] })
  const rounds = Math.min(bench.rounds, ROUNDS)
  const { forward, ...answers } = await alternate(works, rounds, (done, of) => bench.progress.round(done, of))
  const ms = (list) => list.map((answer) => answer.ms)
  for (const id of wanted)
    bench.results[id] = {
      ...{ value: times(answers[id], forward), pairs: bench.pairs, tokensPerText: tokens },
      ms: { ours: ms(answers[id]), theirs: ms(forward) },
    }
}

async function overhead(bench) {
  const folder = join(bench.folder, 'baked')
  const baked = join(folder, 'model.onnx')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  bench.progress.phase('baking')
  await during(bench.node('children/encoder.mjs'), async (uec) => {
    await uec.ask({ do: 'load', model: MODEL, texts: TEXTS, pairs: 8, threads: THREADS })
    await uec.ask({ do: 'bake', file: baked })
  })
  await during(bench.node('peers/graphs.mjs'), async (onnx) => {
    const files = { plain: join(MODEL, 'onnx', 'model.onnx'), baked }
    const run = (name) => () => onnx.ask({ do: 'run', name, rows: 32, tokens: 32 })
    for (const [name, file] of Object.entries(files))
      await onnx.ask({ do: 'load', name, file, threads: THREADS })
    const works = { ours: run('baked'), theirs: run('plain') }
    await bench.measure('bake-overhead', works, ({ ours, theirs }) => ({
      value: summary(ours.map(({ ms }, round) => 100 * (ms / theirs[round].ms - 1))),
    }))
  })
}
