// Damaged files of every kind: a load works or says by code what is wrong, soon and without a crash.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, Ensemble, type ErrorCode, GaussianBatch, GaussianIndex } from '../../src/index.ts'
import { tiny } from '../paths.ts'
import { figures, LONG } from './child.ts'
import { text } from './random.mjs'
import { DIMENSION, rowsOf } from './rows.mjs'

const MODEL: ErrorCode[] = ['ERR_MODEL_INVALID', 'ERR_MODEL_UNSUPPORTED', 'ERR_MODEL_NOT_FOUND']
/** What damage of each kind of file may be called. */
const CODES: Record<string, ErrorCode[]> = {
  'base native': ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION'],
  'base pure': ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION'],
  'journal native': ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION'],
  'journal pure': ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION'],
  posterior: ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION'],
  // What our reader takes for a sound graph goes on to ONNX Runtime, whose refusals are ERR_MODEL_INVALID.
  onnx: MODEL,
  // Another path is a member that is not there, or not the one with this fingerprint.
  ensemble: ['ERR_FILE_CORRUPT', 'ERR_FILE_VERSION', 'ERR_POSTERIOR_MISMATCH', ...MODEL],
  tokenizer: ['ERR_TOKENIZER_INVALID', ...MODEL],
  modules: MODEL,
  pooling: MODEL,
  sentence: MODEL,
  config: MODEL,
}

/** How many are tried by one process. */
const SHARE = 500
const COUNT = LONG ? 5000 : 80
const LONGEST_MS = 2000
const MOST_GROWTH = 200e6

interface Found {
  codes: Record<string, number>
  examples: Record<string, string>
  slowest: number
  slowestSeed: number
  growth: number
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-fuzz-'))
  const skipped = ['reference.json', 'variance.json']
  await cp(tiny('bert-ts17'), join(folder, 'model'), {
    recursive: true,
    filter: (file) => !skipped.includes(basename(file)),
  })
  await using plain = await Encoder.load(join(folder, 'model'), { threads: 1 })
  const posterior = await plain.fit(Array.from({ length: 40 }, (_, i) => text(i)))
  await posterior.save(join(folder, 'posterior'))
  await using fitted = await Encoder.load(join(folder, 'model'), { posterior, threads: 1 })
  const ensemble = await Ensemble.load([fitted, fitted])
  await ensemble.save(join(folder, 'ensemble'))
  await indexes()
}, 60_000)
afterAll(() => rm(folder, { recursive: true }))

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}${text(i)}`)

/** Indexes of every plan, each with another one of the same plan and ids, and one with a journal. */
async function indexes(): Promise<void> {
  const plans = {
    float32: {},
    float16: { storage: 'float16' },
    int8: { storage: 'int8' },
    prefilter: { prefilter: 'int8', fingerprint: 'of the fuzzing' },
    blocks: { prefilter: 'int8' },
    empty: {},
  } as const
  for (const [name, plan] of Object.entries(plans))
    for (const [version, end] of ['', '-other'].entries()) {
      using index = new GaussianIndex({ dimension: DIMENSION, ...plan })
      const ids = names('', { blocks: 6000, empty: version }[name] ?? 40)
      await index.add(ids, new GaussianBatch(rowsOf(ids, version)))
      await index.save(join(folder, `${name}${end}.uec`))
    }
  const file = join(folder, 'journal.uec')
  await cp(join(folder, 'int8.uec'), file)
  using index = await GaussianIndex.open(file)
  using other = await GaussianIndex.open(join(folder, 'float32.uec'))
  const states = [new Map(index.ids().map((id) => [id, 0]))]
  for (let version = 1; version <= 8; version++) {
    const state = new Map(states.at(-1))
    const old = [...state.keys()].slice(version, 2 * version)
    if (version % 3 === 0) {
      await index.remove(old)
      await other.remove(old.slice(1))
      for (const id of old) state.delete(id)
    } else {
      const ids = [...old, ...names(`${version} `, 3)]
      const batch = new GaussianBatch(rowsOf(ids, version))
      await index.add(ids, batch)
      await other.add(ids, batch)
      for (const id of ids) state.set(id, version)
    }
    states.push(state)
  }
  await writeFile(join(folder, 'journal.json'), JSON.stringify(states.map((state) => [...state])))
}

const script = (kind: string, seed: number, share: number): [string, (string | number)[]] =>
  kind.includes(' ')
    ? ['open-damaged.mjs', [...kind.split(' '), folder, seed, share]]
    : ['load-damaged.mjs', [kind, folder, seed, share]]

describe('a damaged file', () => {
  it.each(Object.keys(CODES))(
    'of the kind %s works or is refused by a fitting code',
    async (kind) => {
      const counts: Record<string, number> = {}
      let [slowest, growth] = [0, 0]
      for (let seed = 1; seed <= COUNT; seed += SHARE) {
        const share = Math.min(SHARE, COUNT - seed + 1)
        const found = await figures<Found>(...script(kind, seed, share)).catch(async (error) => {
          const last = await readFile(join(folder, 'seed'), 'utf8').catch(() => 'none')
          throw new Error(`${kind}: the last seed is ${last}`, { cause: error })
        })
        for (const [code, n] of Object.entries(found.codes)) {
          if (code !== 'works') expect(CODES[kind], found.examples[code]).toContain(code)
          counts[code] = (counts[code] ?? 0) + n
        }
        expect(found.slowest, `seed ${found.slowestSeed}`).toBeLessThan(LONGEST_MS)
        expect(found.growth).toBeLessThan(MOST_GROWTH)
        slowest = Math.max(slowest, found.slowest)
        growth = Math.max(growth, found.growth)
      }
      const sum = Object.values(counts).reduce((a, b) => a + b)
      expect(sum).toBe(COUNT)
      expect(counts.works ?? 0, 'the damage does nothing').toBeLessThan(0.9 * COUNT)
      const said = Object.entries(counts).map(([code, n]) => `${code} ${n}`)
      const limits = `slowest ${slowest.toFixed(0)} ms, memory +${(growth / 1e6).toFixed(0)} MB`
      console.log(`${kind}: ${said.join(', ')}; ${limits}`)
    },
    900_000,
  )
})
