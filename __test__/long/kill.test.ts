// Saves that are killed: whenever it happens, the place holds one whole content, and what remains beside it does no harm.
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, Ensemble, GaussianBatch, GaussianIndex, Posterior } from '../../src/index.ts'
import { tiny } from '../paths.ts'
import { ended, LONG, start } from './child.ts'
import { random, text } from './random.mjs'

const KILLS = LONG ? 100 : 4

interface Saved {
  save(path: string): Promise<void>
}

interface Kind {
  contents: readonly [Saved, Saved]
  /** Reads what lies there with all its checks. */
  open(path: string): Promise<unknown>
  /** What a kill may leave beside the target. */
  leftover: RegExp
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const TEMPORARY_FILE = /^\.uec-[A-Za-z0-9]{6}$/
const TEMPORARY_DIRECTORY = new RegExp(`^\\.target-${UUID}(-old)?$`)

let folder: string
let kinds: Record<'index' | 'posterior' | 'ensemble', Kind>
const encoders: Encoder[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-kill-'))
  const posteriors: Posterior[] = []
  for (const [name, at] of [
    ['bert-ts17', 0],
    ['bert-dynamo20', 1000],
  ] as const) {
    const plain = await Encoder.load(tiny(name), { threads: 1 })
    const posterior = await plain.fit(Array.from({ length: 40 }, (_, i) => text(at + i)))
    posteriors.push(posterior)
    encoders.push(plain, await Encoder.load(tiny(name), { posterior, threads: 1 }))
  }
  const [, a, , b] = encoders as [Encoder, Encoder, Encoder, Encoder]
  kinds = {
    index: {
      contents: [await index(1), await index(2)],
      open: async (file) => {
        using opened = await GaussianIndex.open(file)
        await opened.verify()
      },
      leftover: TEMPORARY_FILE,
    },
    posterior: {
      contents: posteriors as [Posterior, Posterior],
      open: (file) => Posterior.load(file),
      leftover: TEMPORARY_FILE,
    },
    ensemble: {
      contents: [
        await Ensemble.load([a, b], { temperature: 0.5 }),
        await Ensemble.load([b, a], { temperature: 2 }),
      ],
      open: async (directory) => {
        await using loaded = await Ensemble.load(directory, { encoder: { threads: 1 } })
        expect([0.5, 2]).toContain(loaded.temperature)
      },
      leftover: TEMPORARY_DIRECTORY,
    },
  }
}, 60_000)
afterAll(async () => {
  await Promise.all(encoders.map((encoder) => encoder.dispose()))
  await rm(folder, { recursive: true })
})

async function index(seed: number): Promise<GaussianIndex> {
  const [rows, dimension, next] = [20_000, 16, random(seed)]
  const numbers = () => Float32Array.from({ length: rows * dimension }, () => next() + 0.1)
  const made = new GaussianIndex({ dimension })
  const ids = Array.from({ length: rows }, (_, i) => `${seed} ${i}`)
  await made.add(ids, new GaussianBatch({ mean: numbers(), variance: numbers(), dimension }))
  return made
}

/** SHA-256 of a file, or of all files below a directory with their names. */
async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  if ((await stat(path)).isFile()) return hash.update(await readFile(path)).digest('hex')
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort()) hash.update(`${relative(path, file)}\0`).update(await readFile(file))
  return hash.digest('hex')
}

/** A place of its own with the two contents as they should be, and their digests. */
async function place(name: keyof typeof kinds, test: string) {
  const root = join(folder, `${name}-${test}`)
  await mkdir(join(root, 'here'), { recursive: true })
  const wanted = [join(root, 'first'), join(root, 'second')]
  const { contents } = kinds[name]
  await contents[0].save(wanted[0]!)
  await contents[1].save(wanted[1]!)
  const digests = await Promise.all(wanted.map(digest))
  expect(digests[0]).not.toBe(digests[1])
  return { target: join(root, 'here', 'target'), beside: join(root, 'here'), wanted, digests }
}

const exists = (path: string) => stat(path).then(Boolean, () => false)

/** What stands beside the target, checked by name. */
async function leftovers(beside: string, pattern: RegExp): Promise<string[]> {
  // An index that was opened for writing has its journal.
  const names = (await readdir(beside)).filter((name) => name !== 'target' && name !== 'target.journal')
  for (const name of names) expect(name).toMatch(pattern)
  return names
}

describe.each(['index', 'posterior', 'ensemble'] as const)('%s', (name) => {
  it(`is one whole content after each of ${KILLS} kills, and the next save works`, async () => {
    const { open, contents, leftover } = kinds[name]
    const { target, beside, wanted, digests } = await place(name, 'random')
    const next = random(7)
    let seen = false
    let both = 0
    for (let i = 0; i < KILLS; i++) {
      const child = start('save-forever.mjs', [name, target, ...wanted])
      const end = ended(child)
      await new Promise((resolve) => child.stdout.once('data', resolve).once('end', resolve))
      // Up to about three saves; the first rounds are cut short, so that the very first save is hit, too.
      await new Promise((resolve) => setTimeout(resolve, next() * (i < 2 ? 20 : 150)))
      child.kill('SIGKILL')
      expect(await end).toMatchObject({ signal: 'SIGKILL', stderr: '' })
      if (!seen && !(await exists(target))) continue // killed before the first save was over
      seen = true
      await open(target)
      const found = digests.indexOf(await digest(target))
      expect(found).not.toBe(-1)
      both |= 1 << found
    }
    const left = await leftovers(beside, leftover)
    for (const content of contents) {
      await content.save(target)
      expect(await digest(target)).toBe(digests[contents.indexOf(content)])
    }
    await open(target)
    expect((await leftovers(beside, leftover)).sort()).toEqual(left.sort())
    console.log(`${name}: ${KILLS} kills left ${left.length} temporary entries beside the target`)
    expect(seen).toBe(true)
    if (LONG) expect(both).toBe(3)
  }, 600_000)
})

describe('the ensemble directory', () => {
  it('is whole where the process dies right before any step that changes the file system', async () => {
    const { open, contents, leftover } = kinds.ensemble
    const { target, beside, wanted, digests } = await place('ensemble', 'steps')
    const save = (step: number) => ended(start('save-forever.mjs', ['ensemble', target, ...wanted, step]))
    await contents[1].save(target)
    const steps = Number((await save(1e9)).stdout.split('\n')[1])
    expect(steps).toBeGreaterThan(20)
    // The last four are: write ensemble.json, move the old directory away, move the new one in, remove the old one.
    const some = [1, 2, 12, steps - 3, steps - 2, steps - 1, steps]
    for (const step of LONG ? Array.from({ length: steps }, (_, i) => i + 1) : some) {
      await contents[1].save(target)
      expect(await digest(target)).toBe(digests[1])
      expect(await save(step)).toMatchObject({ signal: 'SIGKILL', stderr: '' })
      await open(target)
      const found = digests.indexOf(await digest(target))
      expect([step, found]).toEqual([step, step < steps - 1 ? 1 : 0])
    }
    const left = await leftovers(beside, leftover)
    console.log(`ensemble: ${left.length} temporary directories left by kills at chosen steps`)
  }, 600_000)

  it('does not come back from what a killed save left', async () => {
    const { contents, open } = kinds.ensemble
    const { target, beside } = await place('ensemble', 'removed')
    for (const end of ['', '-old']) {
      await contents[0].save(join(beside, `.${basename(target)}-${randomUUID()}${end}`))
      await expect(open(target)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    }
  }, 60_000)
})
