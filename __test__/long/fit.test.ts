// Fits in processes of their own: killed ones go on bit for bit, and shards add up to the whole.
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Posterior } from '../../src/index.ts'
import { MINILM, tiny } from '../paths.ts'
import { ended, LONG, start } from './child.ts'
import { random } from './random.mjs'

const KILLS = LONG ? 100 : 4
const PAIRS = LONG ? 6001 : 601
const MODEL = tiny('bert-ts17')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-fit-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A fit of some of the pairs; `threads` changes no bit. */
function fitted(from: number, to: number, threads: number, posterior: string, checkpoint = 'none') {
  const child = start('fit-shard.mjs', [MODEL, from, to, threads, checkpoint, join(folder, posterior)])
  return { child, end: ended(child) }
}

async function whole(): Promise<void> {
  expect(await fitted(0, PAIRS, 1, 'whole').end).toMatchObject({ status: 0, stderr: '' })
}

it(`is bit for bit the same after ${KILLS} kills`, async () => {
  await whole()
  const checkpoint = join(folder, 'checkpoint')
  const next = random(3)
  let furthest = 0
  let gone = 0
  for (let i = 0; i < KILLS; i++) {
    const { child, end } = fitted(0, PAIRS, 1 + (i % 2), 'resumed', checkpoint)
    // A line comes with every chunk of 64 pairs. The first kill comes before any, the others a moment after one.
    let lines = i === 0 ? 0 : Math.ceil(3 * next())
    const kill = () => setTimeout(() => child.kill('SIGKILL'), 40 * next())
    if (lines === 0) kill()
    child.stdout.on('data', (text: string) => {
      const before = lines
      lines -= text.split('\n').length - 1
      if (before > 0 && lines <= 0) kill()
    })
    const { status, signal, stdout, stderr } = await end
    expect(stderr).toBe('')
    if (status === 0) break // it came to its end first
    expect(signal).toBe('SIGKILL')
    const resumed = Number(/^resume (\d+)$/m.exec(stdout)?.[1] ?? 0)
    expect(resumed % 8).toBe(0)
    if (stdout !== '') expect(resumed).toBeGreaterThanOrEqual(furthest)
    if (resumed > 0) gone += 1
    furthest = Math.max(furthest, resumed)
  }
  expect(await fitted(0, PAIRS, 2, 'resumed', checkpoint).end).toMatchObject({ status: 0, stderr: '' })
  expect(await readFile(join(folder, 'resumed'))).toEqual(await readFile(join(folder, 'whole')))
  console.log(
    `fit: ${gone} of ${KILLS} killed fits had gone on from a checkpoint, the furthest at ${furthest}`,
  )
  // What a kill left beside is a temporary file of the library.
  for (const name of await readdir(folder)) expect(name).toMatch(/^(whole|resumed|checkpoint|\.uec-\w{6})$/)
}, 600_000)

it('adds up from shards that were cut at multiples of the batch size', async () => {
  await whole()
  const cuts = [0, 160, 400, PAIRS]
  const shards = cuts.slice(1).map((to, i) => fitted(cuts[i]!, to, 1 + (i % 2), `shard-${i}`).end)
  for (const shard of await Promise.all(shards)) expect(shard).toMatchObject({ status: 0, stderr: '' })
  const parts = await Promise.all([0, 1, 2].map((i) => Posterior.load(join(folder, `shard-${i}`))))
  const merged = Posterior.merge(parts)
  await merged.save(join(folder, 'merged'))
  const expected = await Posterior.load(join(folder, 'whole'))
  const [h, expectedH] = [await curvature('merged'), await curvature('whole')]
  const most = expectedH.reduce((a, b) => Math.max(a, b))
  h.forEach((value, i) => {
    expect(Math.abs(value - expectedH[i]!)).toBeLessThan(1e-6 * most)
  })
  for (const name of ['priorPrecision', 'scale', 'loss', 'accuracy', 'logMarginalLikelihood'] as const)
    expect(Math.abs(merged[name] / expected[name] - 1), name).toBeLessThan(1e-6)
  expect(merged.pairs).toBe(PAIRS)
}, 600_000)

/** Peak memory of a fit, in megabytes. */
async function megabytes(pairs: number, model = MODEL): Promise<number> {
  const child = start('fit-shard.mjs', [model, 0, pairs, 1, 'none', join(folder, 'measured')])
  const { status, stdout, stderr } = await ended(child)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return Number(/^megabytes (.+)$/m.exec(stdout)?.[1])
}

// To keep what the layer sees of these texts would take some hundred MB.
it.skipIf(!LONG)(
  'takes memory that does not grow with the number of pairs',
  async () => {
    const [few, many] = [await megabytes(300), await megabytes(30_000)]
    const real = existsSync(MINILM)
      ? [await megabytes(500, MINILM), await megabytes(2000, MINILM)]
      : undefined
    console.log(`fit: ${few} and ${many} MB for 300 and 30 000 pairs; English encoder: ${real}`)
    expect(many - few).toBeLessThan(50)
    if (real) expect(real[1]! - real[0]!).toBeLessThan(50)
  },
  600_000,
)

async function curvature(posterior: string): Promise<Float32Array> {
  const bytes = await readFile(join(folder, posterior))
  const start = 8 + Number(bytes.readBigUInt64LE())
  const [from, to] = JSON.parse(bytes.toString('utf8', 8, start)).H.data_offsets
  return new Float32Array(new Uint8Array(bytes.subarray(start + from, start + to)).buffer)
}
