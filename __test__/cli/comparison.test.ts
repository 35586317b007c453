/** The comparison of `uec demo` on a made-up corpus whose results are known. */
import { describe, expect, test } from 'vitest'
import { evaluate, type Item } from '../../src/cli/demo/evaluate.ts'
import { exampleItems } from '../../src/cli/demo/examples.ts'
import { rowsOf } from '../../src/cli/demo/result.ts'
import { buildSystems, uncertaintiesOf } from '../../src/cli/demo/systems.ts'
import { LANGUAGES } from '../../src/cli/demo/texts.ts'
import { GaussianBatch } from '../../src/index.ts'

const { signal } = new AbortController()
const LINES = 6
const ITEMS: Item[] = LANGUAGES.flatMap((language) =>
  Array.from({ length: LINES }, (_, line) => ({
    id: `${language}:${line}`,
    language,
    line,
    document: `document ${Math.floor(line / 2)}`,
    text: `${language} ${line}`,
  })),
)

/** Row i points along `axis(i)`; total variance `trace(i)`. */
function batch(axis: (item: Item) => number, trace: (item: Item) => number): GaussianBatch {
  const dimension = 2 * LINES
  const mean = new Float32Array(ITEMS.length * dimension)
  const variance = new Float32Array(ITEMS.length * dimension)
  ITEMS.forEach((item, i) => {
    mean[i * dimension + axis(item)] = 1
    variance.fill(trace(item) / dimension, i * dimension, (i + 1) * dimension)
  })
  return new GaussianBatch({ mean, variance, dimension })
}

const perfect = batch(
  ({ line }) => line,
  () => 1,
)
// Translations are far apart, and six texts of a language lie on one point.
const useless = batch(
  ({ language }) => LANGUAGES.indexOf(language),
  () => 1,
)

describe('a query searches all texts but itself', () => {
  test('translations at one point are all found', async () => {
    const measures = await evaluate({ name: 'perfect', score: 'uec', gaussians: perfect }, ITEMS, signal)
    expect(measures.ndcg).toEqual(ITEMS.map(() => 1))
    expect(measures.recall).toEqual(ITEMS.map(() => 1))
  })

  test('a text that every other one resembles more than its translations finds them late', async () => {
    const measures = await evaluate({ name: 'useless', score: 'cosine', gaussians: useless }, ITEMS, signal)
    // Five texts of the own language come first, then by position those of the others: en finds de:0… at rank 6, …
    const rank = 6 // of de:0, for the query en:0; fr:0 is at rank 12 and cut off
    const ideal = 1 + 1 / Math.log2(3)
    expect(measures.ndcg[0]).toBeCloseTo(1 / Math.log2(rank + 1) / ideal, 12)
    expect(measures.recall[0]).toBe(0.5)
  })
})

describe('systems', () => {
  const calibration = { sources: ['trace'] as const, bias: [0, 0, 0], power: [4], loss: 0, pairs: 0 }
  // Each expert is right and certain in its own language, wrong and uncertain in the others.
  const views = LANGUAGES.map((own) => ({
    gaussians: batch(
      ({ language, line }) => (language === own ? line : LINES + LANGUAGES.indexOf(language)),
      ({ language }) => (language === own ? 0.5 : 5),
    ),
    norms: new Float32Array(ITEMS.length).fill(2),
    tokensPerWord: Float32Array.from(ITEMS, ({ language }) => (language === own ? 1 : 3)),
  }))

  test('certainty finds the right expert, and the table says so', async () => {
    const systems = await buildSystems(
      views,
      { temperature: 0.5, calibration, certainty: calibration },
      ITEMS.map(({ language }) => language),
      signal,
    )
    const measured = []
    for (const system of systems) measured.push(await evaluate(system, ITEMS, signal))
    const rows = rowsOf(measured, ITEMS)
    const of = (name: string) => rows.find(({ system }) => system === name)!
    expect(of('the expert of the language').ndcg.all).toBe(1)
    expect(of('UEC as in the paper').ndcg.all).toBe(1)
    expect(of('UEC calibrated').recall).toEqual({ all: 1, en: 1, de: 1, fr: 1 })
    expect(of('uniform average').ndcg.all).toBeLessThan(1)
    expect(of('uniform average').difference).toBeUndefined()
    const { value, low } = of('UEC as in the paper').difference!
    expect(value).toBeCloseTo(1 - of('uniform average').ndcg.all, 12)
    expect(low).toBeGreaterThan(0)
    expect(rows[3]!.system).toMatch(/^best single \((en|de|fr), chosen on the test\)$/)
    expect(rows[3]!.ndcg.all).toBe(Math.max(...rows.slice(0, 3).map(({ ndcg }) => ndcg.all)))
  })

  test('uncertainties are n×K×J in the order of the sources', () => {
    const values = uncertaintiesOf(views, ['tokens-per-word', 'inverse-norm', 'trace'])
    expect(values).toHaveLength(ITEMS.length * 9)
    // Text 0 is English: expert 0 is at home, expert 1 is not.
    const [a, b, c, d, e, f] = values
    expect([a, b]).toEqual([1, 0.25])
    expect(c).toBeCloseTo(0.5, 6)
    expect([d, e]).toEqual([3, 0.25])
    expect(f).toBeCloseTo(5, 5)
  })
})

test('the examples are of each language and of different lines', () => {
  const chosen = exampleItems(ITEMS)
  expect(chosen.map(({ language }) => language)).toEqual([...LANGUAGES])
  expect(new Set(chosen.map(({ line }) => line)).size).toBe(3)
})
