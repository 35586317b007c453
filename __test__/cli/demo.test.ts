import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Cache, fingerprint } from '../../src/cli/demo/cache.ts'
import { LANGUAGES, readCorpus, split, translationPairs } from '../../src/cli/demo/texts.ts'
import { temporaryFolder } from './temporary.ts'

const corpus = readCorpus(fileURLToPath(new URL('../../models/texts/ntrex', import.meta.url)))

describe('the split', () => {
  const parts = split(corpus.documents)

  test('has no document on two sides, and nothing measured in lines that the experts saw', () => {
    const documents = [parts.fit, parts.calibrate, parts.test].map(
      (positions) => new Set(positions.map((i) => corpus.documents[i])),
    )
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      expect(overlap(documents[a]!, documents[b]!)).toBe(0)
    expect(Math.max(...parts.fit)).toBeLessThan(1000)
    expect(Math.min(...parts.calibrate, ...parts.test)).toBeGreaterThanOrEqual(1000)
  })

  test('takes whole documents only', () => {
    for (const positions of [parts.fit, parts.calibrate, parts.test]) {
      const chosen = new Set(positions)
      const documents = new Set(positions.map((i) => corpus.documents[i]))
      corpus.documents.forEach((document, i) => {
        if (documents.has(document)) expect(chosen.has(i)).toBe(true)
      })
    }
  })

  test('has the sizes that models/texts/ntrex/README.md tells', () => {
    const lines = (positions: number[]) => [positions[0]! + 1, positions.at(-1)! + 1, positions.length]
    expect(lines(parts.fit)).toEqual([1, 988, 988])
    expect(lines(parts.calibrate)).toEqual([1006, 1206, 201])
    expect(lines(parts.test)).toEqual([1207, 1997, 791])
  })

  test('drops a document that the border cuts', () => {
    expect(split(['a', 'a', 'b', 'b', 'c', 'c', 'd'], 3, 1)).toEqual({
      fit: [0, 1],
      calibrate: [4, 5],
      test: [6],
    })
  })
})

test('translation pairs use every language equally, and no sentence twice', () => {
  const positions = split(corpus.documents).calibrate
  const pairs = translationPairs(corpus, positions)
  expect(pairs).toHaveLength(positions.length)
  const count = (side: 'query' | 'positive', language: (typeof LANGUAGES)[number]) =>
    pairs.filter((pair, i) => pair[side] === corpus.lines[language][positions[i]!]).length
  for (const language of LANGUAGES) {
    expect(count('query', language)).toBe(67)
    expect(count('positive', language)).toBe(67)
  }
})

test('the cache forgets when told so, and reports what it reused', async () => {
  const directory = join(temporaryFolder(), 'cache')
  const key = fingerprint('model', ['texts'])
  expect(fingerprint('model', ['text', 's'])).not.toBe(key)
  const first = await Cache.open(directory)
  const path = first.path('calibration', key, 'json')
  expect(await first.readJson(path)).toBeUndefined()
  await first.writeJson(path, { temperature: 2 })
  expect(first.reused).toBe(false)

  const second = await Cache.open(directory)
  expect(await second.readJson(path)).toEqual({ temperature: 2 })
  expect(second.reused).toBe(true)

  const third = await Cache.open(directory, { fresh: true })
  expect(third.has(path)).toBe(false)
})

test('the cache removes old results and nothing that is not its own', async () => {
  const directory = temporaryFolder()
  const names = [
    'measures-0123456789ab.json',
    'ensemble-0123456789ab',
    'posterior-en-0123456789ab.safetensors',
  ]
  for (const name of [...names, 'thesis.tex', 'corpus-notes.txt']) writeFileSync(join(directory, name), '')
  const cache = await Cache.open(directory)
  cache.path('measures', '0123456789ab', 'json')
  await cache.prune()
  expect(readdirSync(directory).sort()).toEqual(['corpus-notes.txt', names[0], 'thesis.tex'])
  await Cache.open(directory, { fresh: true })
  expect(readdirSync(directory).sort()).toEqual(['corpus-notes.txt', 'thesis.tex'])
})

function overlap<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  return [...a].filter((item) => b.has(item)).length
}
