// Every export style from fit to search, and what it bakes in other runtimes: docs/variants.md is what this test measures.
// `UEC_WRITE_VARIANTS=1 npx vitest run __test__/variants.test.ts` writes the table anew, with Python's onnxruntime at UEC_PYTHON.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, type EncoderBatch, GaussianIndex } from '../src/index.ts'
import { MINILM, root, tiny } from './paths.ts'
import {
  type Gaussian,
  LEVELS,
  type Level,
  type Model,
  type Outcome,
  onNode,
  onPython,
  onWeb,
} from './variants/runtimes.ts'
import { type Figure, type Row, table } from './variants/table.ts'

/** Half the distance of two float16 numbers. */
const HALF = 2 ** -11

const TABLE = join(root, 'docs', 'variants.md')
/** Of words that the vocabulary of the tiny encoders has. */
const TEXTS = ['man', 'woman', 'boy', 'girl', 'baby', 'dog', 'horse', 'cat'].flatMap((who) => [
  `the ${who} is playing the guitar`,
  `two people and a ${who} run around the pool`,
  `a ${who} is eating bread with butter`,
  `the ${who} and the monkey are dancing on the road`,
  `someone cut a tomato into the bowl of the ${who}`,
])

interface Variant {
  directory: string
  made: string
  tail: string
  pooling: string
  /** Of embeddings, to the reference; of baked outputs, to those of another runtime. */
  tolerance: number
  /** Products of int8 and uint8, which some runtimes compute inexactly on some processors. */
  inexact: boolean
  texts: { text: string; ids: number[]; embedding?: number[] }[]
}

interface Reference {
  variant: string
  exporter: string
  opset: number
  pooling: string
  tolerance: number
  last_linear: { op_type: string }
  norm: { type: string; decomposed?: boolean }
  texts: { text: string; input_ids: number[]; embedding: number[] }[]
}

async function fixture(name: string): Promise<Variant> {
  const reference: Reference = JSON.parse(await readFile(join(tiny(name), 'reference.json'), 'utf8'))
  const { exporter, opset, pooling, tolerance, last_linear, norm, texts } = reference
  return {
    directory: tiny(name),
    made: `${exporter}, opset ${opset}`,
    tail: `${last_linear.op_type}, ${norm.type === 'identity' ? 'none' : norm.type}${norm.decomposed ? ' written out' : ''}`,
    pooling,
    tolerance,
    inexact: exporter.includes('quantize_static'),
    texts: texts.map(({ text, input_ids: ids, embedding }) => ({ text, ids, embedding })),
  }
}

/** Whole words of the vocabulary, so that their ids need no tokenizer. */
async function minilm(): Promise<Variant> {
  const { model } = JSON.parse(await readFile(join(MINILM, 'tokenizer.json'), 'utf8'))
  const ids = (text: string) =>
    ['[CLS]', ...text.split(' ').filter(Boolean), '[SEP]'].map((word) => model.vocab[word] as number)
  const texts = ['the river rose after the rain', 'the court heard him', '']
  return {
    directory: MINILM,
    made: 'real encoder, 22 million weights',
    tail: 'MatMul, LayerNorm',
    pooling: 'mean',
    tolerance: 1e-4,
    inexact: false,
    texts: texts.map((text) => ({ text, ids: ids(text) })),
  }
}

interface Done {
  variant: Variant
  pairs: number
  /** With the posterior in memory. */
  memory: EncoderBatch
  file: EncoderBatch
  found: number
  /** V in float32 and in float16. */
  models: [Model, Model]
}

let folder: string
const done = new Map<string, Done>()
const python = new Map<string, [Outcome, Outcome] | string>()
const rows = new Map<string, Row>()

const NAMES = [
  ...(await readdir(tiny(''))).filter((name) => !['broken', 'README.md'].includes(name)).sort(),
  'minilm-l6-en',
]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-variants-'))
  for (const name of NAMES)
    done.set(name, await fitAndBake(name, name === 'minilm-l6-en' ? await minilm() : await fixture(name)))
  const models = [...done.values()].flatMap((each) => each.models)
  const outcomes = await onPython(models, folder)
  NAMES.forEach((name, i) => {
    python.set(name, typeof outcomes === 'string' ? outcomes : [outcomes[2 * i]!, outcomes[2 * i + 1]!])
  })
}, 180_000)
afterAll(() => rm(folder, { recursive: true }))

async function fitAndBake(name: string, variant: Variant): Promise<Done> {
  const directory = join(folder, name)
  await cp(variant.directory, directory, { recursive: true })
  await using original = await Encoder.load(directory)
  const posterior = await original.fit(TEXTS)
  const baked = ['baked.onnx', 'half.onnx'].map((file) => join(directory, 'onnx', file))
  await original.bake(baked[0]!, posterior)
  await original.bake(baked[1]!, posterior, { weights: 'float16' })
  const texts = variant.texts.map(({ text }) => text)
  await using inMemory = await Encoder.load(directory, { posterior })
  await using inFile = await Encoder.load(directory, { file: 'onnx/baked.onnx' })
  const index = new GaussianIndex({ dimension: inFile.dimension, fingerprint: inFile.identity })
  const batch = await inFile.embed(TEXTS)
  await index.add(TEXTS, batch)
  // Of all scores, this one has a text itself as the best, whatever the lengths and variances.
  const hits = await index.search(batch, { k: 1, score: 'wasserstein2' })
  const ids = variant.texts.map((text) => text.ids)
  return {
    variant,
    pairs: posterior.pairs,
    memory: await inMemory.embed(texts),
    file: await inFile.embed(texts),
    found: TEXTS.filter((text, i) => hits.of(i)[0]?.id === text).length,
    models: [
      { file: baked[0]!, ids },
      { file: baked[1]!, ids },
    ],
  }
}

/** The largest deviation of all levels at which the file opens. */
function figure(outcome: Outcome, expected: EncoderBatch): Figure {
  const refused = LEVELS.filter((level) => typeof outcome[level] === 'string')
  const opened = Object.values(outcome).filter((texts) => typeof texts !== 'string')
  const distances = opened.flatMap((texts) => texts.map((text, i) => distance(text, expected.at(i))))
  expect(distances).not.toEqual([])
  return { deviation: Math.max(...distances), refused }
}

/** Relative to the largest entry. */
function distance(found: Gaussian, expected: Gaussian): number {
  const relative = (x: ArrayLike<number>, y: ArrayLike<number>) => {
    expect(x.length).toBe(y.length)
    return (
      Math.max(...Array.from(y, (value, d) => Math.abs(value - x[d]!))) / Math.max(...Array.from(y, Math.abs))
    )
  }
  return Math.max(relative(found.mean, expected.mean), relative(found.variance, expected.variance))
}

describe.each(NAMES)('%s', (name) => {
  it('goes from fit to a search that finds each text', () => {
    const { variant, pairs, memory, found } = done.get(name)!
    expect(pairs).toBe(TEXTS.length)
    expect(found).toBe(TEXTS.length)
    variant.texts.forEach(({ embedding }, i) => {
      embedding?.forEach((x, d) => {
        expect(Math.abs(x - memory.at(i).mean[d]!)).toBeLessThan(variant.tolerance)
      })
    })
  })

  it('has the same mean and variance in a file, in onnxruntime-node and in onnxruntime-web', async () => {
    const { variant, memory, file, models } = done.get(name)!
    const measured = async (at: 0 | 1, levels: readonly Level[]) => ({
      node: figure(await onNode(models[at], variant.inexact ? ['disabled', 'basic'] : levels), memory),
      web: figure(await onWeb(models[at], levels), memory),
    })
    const full = await measured(0, LEVELS)
    const half = Object.values(await measured(1, ['disabled', 'all'])).map(({ deviation }) => deviation)
    const uec = Math.max(...variant.texts.map((_, i) => distance(file.at(i), memory.at(i))))
    rows.set(name, {
      ...{ name, made: variant.made, tail: variant.tail, pooling: variant.pooling },
      ...full,
      uec: { deviation: uec, refused: [] },
      python: undefined,
      half: { deviation: Math.max(...half), refused: [] },
    })
    expect(Math.max(uec, full.node.deviation, full.web.deviation)).toBeLessThan(variant.tolerance)
    expect(Math.max(...half)).toBeLessThan(variant.tolerance + HALF)
    // What refuses the baked file refuses the encoder that it was made of.
    const original = { file: join(folder, name, 'onnx', 'model.onnx'), ids: [] }
    for (const [runtime, open] of [['node', onNode] as const, ['web', onWeb] as const])
      for (const level of full[runtime].refused)
        expect((await open(original, [level]))[level]).toEqual(expect.any(String))
  })

  it('has the same in Python', ({ skip }) => {
    const outcomes = python.get(name)!
    if (typeof outcomes === 'string') return skip(`${outcomes}; set UEC_PYTHON`)
    const { variant, memory } = done.get(name)!
    const [full, half] = outcomes.map((outcome) => figure(outcome, memory))
    const row = rows.get(name)!
    row.python = full
    row.half.deviation = Math.max(row.half.deviation, half!.deviation)
    expect([full!.refused, half!.refused]).toEqual([[], []])
    expect(full!.deviation).toBeLessThan(variant.tolerance)
    expect(half!.deviation).toBeLessThan(variant.tolerance + HALF)
  })
})

it('is what docs/variants.md says', async () => {
  const before = await readFile(TABLE, 'utf8')
  const parts = before.split(/(<!-- \/?measured -->\n)/)
  parts[2] = table([...rows.values()], process.env.UEC_WRITE_VARIANTS ? '' : parts[2]!)
  if (process.env.UEC_WRITE_VARIANTS) await writeFile(TABLE, parts.join(''))
  else expect(parts.join('')).toBe(before)
})
