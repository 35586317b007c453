/** That the coefficients of a text carry information about that text: on the embedded encoders, natively. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { evaluate, type Item } from '../../src/cli/demo/evaluate.ts'
import { EXPERTS } from '../../src/cli/demo/models.ts'
import { testItems } from '../../src/cli/demo/run.ts'
import { readCorpus, split } from '../../src/cli/demo/texts.ts'
import { mean, Random } from '../../src/eval/index.ts'
import { convolve, Encoder, Ensemble, GaussianBatch } from '../../src/index.ts'
import { model } from '../paths.ts'

const { signal } = new AbortController()
const corpus = readCorpus(model(join('texts', 'ntrex')))
const { fit, test: tested } = split(corpus.documents)
const items = testItems(corpus, tested.slice(0, 80))

const encoders: Encoder[] = []
const members: GaussianBatch[] = []

beforeAll(async () => {
  for (const { language, model: name } of EXPERTS) {
    await using plain = await Encoder.load(model(name))
    const posterior = await plain.fit(fit.slice(0, 128).map((i) => corpus.lines[language][i]!))
    const encoder = await Encoder.load(model(name), { posterior })
    encoders.push(encoder)
    members.push(await encoder.embed(items.map(({ text }) => text)))
  }
}, 300_000)

afterAll(async () => {
  for (const encoder of encoders) await encoder.dispose()
})

/** nDCG@10 where text i is mixed with the coefficients of text order[i]. */
async function score(coefficients: Float32Array, order: readonly number[]): Promise<number> {
  const rows = await Promise.all(
    order.map(async (from, i) => {
      const weights = Array.from(coefficients.subarray(3 * from, 3 * from + 3))
      const own = members.map((member) => member.slice(i, i + 1))
      return (await convolve(own, { coefficients: weights })).gaussians
    }),
  )
  const gaussians = GaussianBatch.concat(rows)
  return mean((await evaluate({ name: 'mixed', score: 'uec', gaussians }, items, signal)).ndcg)
}

test('shuffling the coefficients across texts lowers nDCG', async () => {
  await using ensemble = await Ensemble.load(encoders)
  const { coefficients } = await convolve(members, {
    coefficients: 'softmax-trace',
    temperature: ensemble.temperature,
  })
  const order = items.map((_, i) => i)
  const own = await score(coefficients, order)
  const shuffled = await score(coefficients, shuffle(order))
  // On the whole test set the difference is above ten points; half of that leaves room for 240 queries.
  expect(own).toBeGreaterThan(shuffled + 0.05)
}, 300_000)

test('each expert is most certain of its own language more often than not', () => {
  const traces = members.map((member) => member.traces())
  const right = items.filter((item: Item, i) => {
    const smallest = traces
      .map((trace) => trace[i]!)
      .reduce((best, x, k, all) => (x < all[best]! ? k : best), 0)
    return EXPERTS[smallest]!.language === item.language
  })
  // Chance is a third.
  expect(right.length / items.length).toBeGreaterThan(0.6)
})

function shuffle(order: readonly number[]): number[] {
  const random = Random.seeded(1)
  const shuffled = [...order]
  for (let i = shuffled.length - 1; i > 0; i -= 1) {
    const j = random.below(i + 1)
    const kept = shuffled[i]!
    shuffled[i] = shuffled[j]!
    shuffled[j] = kept
  }
  return shuffled
}
