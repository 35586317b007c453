// The main job on the embedded encoders: fit, save, load, mix, index, search, and what it gains over the alternatives.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Judgements, mean, ndcg, Random } from '../src/eval/index.ts'
import {
  type Calibration,
  convolve,
  Encoder,
  type EncoderBatch,
  Ensemble,
  type EnsembleBatch,
  type GaussianBatch,
  GaussianIndex,
  type SearchOptions,
} from '../src/index.ts'
import { model } from './paths.ts'

const EXPERTS = [
  { name: 'minilm-l6-en', file: 'eng.txt' },
  { name: 'student-l3-de', file: 'deu.txt' },
  { name: 'student-l3-fr', file: 'fra.txt' },
]
/** The experts were distilled on lines 1–1000; the demonstration calibrates on the 200 after them. */
const FIRST_TEST_LINE = 1206
const SENTENCES = 96

let folder: string
let ensemble: Ensemble
let members: EncoderBatch[]
let mixed: EnsembleBatch
let ids: string[]
let texts: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-main-job-'))
  const read = async (file: string) =>
    (await readFile(model(join('texts/ntrex', file)), 'utf8')).trimEnd().split(/\r?\n/)
  const documents = await read('DOCUMENT_IDS.tsv')
  const languages = await Promise.all(EXPERTS.map(({ file }) => read(file)))
  const border = documents[FIRST_TEST_LINE - 1]
  const lines = documents
    .map((_, line) => line)
    .filter((line) => line >= FIRST_TEST_LINE && documents[line] !== border)
    .slice(0, SENTENCES)
  texts = languages.flatMap((sentences) => lines.map((line) => sentences[line]!))
  ids = EXPERTS.flatMap(({ name }) => lines.map((line) => `${name} ${line}`))
  const fitted: string[] = []
  for (const [k, { name }] of EXPERTS.entries()) {
    await using encoder = await Encoder.load(model(name))
    const posterior = await encoder.fit(languages[k]!.slice(0, 288).filter((_, line) => line % 3 === 0))
    expect(posterior.pairs).toBe(96)
    fitted.push(join(folder, `${name}.safetensors`))
    await posterior.save(fitted[k]!)
  }
  const encoders = await Promise.all(
    EXPERTS.map(({ name }, k) => Encoder.load(model(name), { posterior: fitted[k]! })),
  )
  ensemble = await Ensemble.load(encoders)
  mixed = await ensemble.embed(texts)
  members = []
  for (const encoder of encoders) members.push(await encoder.embed(texts))
}, 180_000)

afterAll(async () => {
  await Promise.all(ensemble.members.map((member) => member.dispose()))
  await ensemble.dispose()
  await rm(folder, { recursive: true })
})

/** Mean nDCG@10 of finding each text's translations in the other languages, the text itself set aside. */
async function search(gaussians: GaussianBatch, options: SearchOptions = {}): Promise<number> {
  using index = new GaussianIndex({ dimension: gaussians.dimension })
  await index.add(ids, gaussians)
  const hits = await index.search(gaussians, { ...options, k: 11 })
  const scores = ids.map((own, query) => {
    const line = own.split(' ')[1]
    const translations = ids.filter((id) => id !== own && id.split(' ')[1] === line)
    const judgements: Judgements<string> = new Map(translations.map((id) => [id, 1]))
    const found = hits.of(query).map(({ id }) => id)
    return ndcg(
      found.filter((id) => id !== own),
      judgements,
      10,
    )
  })
  return mean(scores)
}

it('finds translations better than each encoder alone and than their plain average', async () => {
  const uec = await search(mixed)
  const uniform = await search((await convolve(members, { coefficients: 'uniform' })).gaussians)
  const singles = await Promise.all(members.map((member) => search(member)))
  const cosines = await Promise.all(members.map((member) => search(member, { score: 'cosine' })))
  expect(uec).toBeGreaterThan(uniform + 0.02)
  expect(uec).toBeGreaterThan(Math.max(...singles, ...cosines) + 0.02)
})

it('mixes each text by its own certainty: the coefficients of other texts do worse', async () => {
  // softmax(−trace / T) is the log-linear rule with u = exp((trace − least trace) / T): so any text may get the
  // coefficients of any other.
  const K = members.length
  const rule: Calibration = { sources: ['trace'], bias: [0, 0, 0], power: [1], loss: 0, pairs: 0 }
  const traces = members.map((member) => member.traces())
  const withTracesOf = (order: readonly number[]) => {
    const uncertainties = order.flatMap((from) => {
      const least = Math.min(...traces.map((trace) => trace[from]!))
      return traces.map((trace) => Math.exp((trace[from]! - least) / ensemble.temperature))
    })
    return convolve(members, { coefficients: rule, uncertainties: Float32Array.from(uncertainties) })
  }
  const order = ids.map((_, i) => i)
  const own = await withTracesOf(order)
  own.coefficients.forEach((c, i) => {
    expect(Math.abs(c - mixed.coefficients[i]!)).toBeLessThan(1e-4)
  })
  const shuffled = shuffle(order)
  const other = await withTracesOf(shuffled)
  expect(other.coefficients.slice(0, K)).toEqual(
    own.coefficients.slice(shuffled[0]! * K, (shuffled[0]! + 1) * K),
  )
  const [before, after] = [await search(own.gaussians), await search(other.gaussians)]
  expect(before).toBeGreaterThan(after + 0.05)
})

it('gives the expert of a text’s language the largest coefficient more often than chance', () => {
  const right = texts.filter((_, i) => {
    const row = Array.from(mixed.coefficients.subarray(3 * i, 3 * i + 3))
    return row.indexOf(Math.max(...row)) === Math.floor(i / SENTENCES)
  })
  expect(right.length / texts.length).toBeGreaterThan(0.6)
  expect(mixed.valid.every((valid) => valid === 1)).toBe(true)
  expect(mixed.disagreement.every((d) => d >= 0 && d < 1)).toBe(true)
})

function shuffle(order: readonly number[]): number[] {
  const random = Random.seeded(1)
  const shuffled = [...order]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
  }
  return shuffled
}
