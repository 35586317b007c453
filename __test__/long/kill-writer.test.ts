// A writing process that is killed at random moments: whatever was acknowledged is in the file, and what was not is there as
// a whole or not at all.
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { GaussianIndex } from '../../src/index.ts'
import { ended, LONG, start } from './child.ts'
import { random } from './random.mjs'
import { DIMENSION, rowOf } from './rows.mjs'

const KILLS = LONG ? 300 : 12

interface Change {
  kind: 'add' | 'remove' | 'save'
  ids: string[]
  version: number
}

/** The version of each id, in the order of the first adds. */
type Content = Map<string, number>

/** A file, and what it holds. */
interface Place {
  file: string
  content: Content
}

let folder: string
const places: Place[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-writer-'))
  for (const [storage, prefilter] of [
    ['float32', 'none'],
    ['float16', 'none'],
    ['int8', 'none'],
    ['float32', 'int8'],
  ] as const) {
    const file = join(await mkdtemp(join(folder, `${storage}-`)), 'index.uec')
    using index = new GaussianIndex({
      dimension: DIMENSION,
      storage,
      prefilter,
      fingerprint: 'of these tests',
    })
    await index.save(file)
    places.push({ file, content: new Map() })
  }
})
afterAll(() => rm(folder, { recursive: true }))

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function applied(content: Content, { kind, ids, version }: Change): Content {
  const next = new Map(content)
  for (const id of ids) {
    if (kind === 'add') next.set(id, version)
    else next.delete(id)
  }
  return next
}

/** A writer at work, and what it said so far. */
class Writer {
  readonly changes: Change[] = []
  acknowledged = 0
  ready = false
  readonly child
  readonly end
  #rest = ''

  constructor(name: 'native' | 'pure', file: string, seed: number, known: string) {
    this.child = start('write-forever.mjs', [name, file, seed, known])
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop()!
      for (const line of lines) this.#hear(line)
    })
    this.end = ended(this.child)
  }

  #hear(line: string): void {
    if (line === 'ready') this.ready = true
    else if (line.startsWith('done ')) {
      expect(Number(line.slice(5)), 'acknowledged in order').toBe(this.acknowledged)
      this.acknowledged++
    } else this.changes.push(JSON.parse(line))
  }

  async until(said: () => boolean): Promise<void> {
    while (!said() && this.child.exitCode === null) await wait(1)
  }
}

/** How many of the changes the index holds: at least the first of them, at most all; exactly, with order and numbers. */
function holds(index: GaussianIndex, before: Content, changes: readonly Change[], least: number): number {
  const ids = index.ids()
  const read = new Map<string, string>()
  const is = (id: string, version: number) => {
    let row = read.get(id)
    if (row === undefined) {
      const { mean, variance } = index.get(id)!
      row = `${mean};${variance}`
      read.set(id, row)
    }
    const wanted = rowOf(id, version)
    return row === `${wanted.mean};${wanted.variance}`
  }
  let content = before
  for (let made = 0; made <= changes.length; made++) {
    if (made > 0) content = applied(content, changes[made - 1]!)
    if (made < least || content.size !== ids.length) continue
    if ([...content].every(([id, version], i) => ids[i] === id && is(id, version))) return made
  }
  throw new Error(
    `${index.storage} ${index.prefilter}: ${ids.length} rows are not what any of the changes ${least} to ${changes.length} leaves: ${JSON.stringify(changes.slice(least).map(({ kind, ids }) => [kind, ids.length]))}`,
  )
}

it(`keeps what was acknowledged through ${KILLS} kills`, async () => {
  const next = random(11)
  const counts = {
    kills: 0,
    pure: 0,
    acknowledged: 0,
    underway: 0,
    kept: 0,
    lost: 0,
    torn: 0,
    readers: 0,
    early: 0,
    temporary: 0,
  }
  for (let kill = 0; kill < KILLS; kill++) {
    const place = places[kill % places.length]!
    const { file, content } = place
    const known = join(folder, 'known.json')
    await writeFile(known, JSON.stringify([...content.keys()]))
    const pure = next() < 0.25 // the format is one, and what reads is always the native index
    const writer = new Writer(pure ? 'pure' : 'native', file, kill, known)
    if (kill % 10 === 9)
      await wait(next() * 150) // while it starts, opens and replays, too
    else {
      await writer.until(() => writer.ready)
      if (next() < 0.4) {
        const least = writer.acknowledged
        using reader = await GaussianIndex.open(file, { readonly: true, mmap: next() < 0.5 })
        await wait(20) // what it said before a change arrives after it
        holds(reader, content, writer.changes, least)
        await reader.verify()
        if (!pure) await expect(GaussianIndex.open(file)).rejects.toMatchObject({ code: 'ERR_FILE_LOCKED' })
        counts.readers++
      }
      await wait(next() * (next() < 0.3 ? 400 : 60))
    }
    writer.child.kill('SIGKILL')
    expect(await writer.end, 'it was still at work').toMatchObject({ signal: 'SIGKILL', stderr: '' })
    counts.kills++
    if (pure) counts.pure++
    const { changes, acknowledged } = writer
    const journal = (await stat(`${file}.journal`)).size
    const mmap = Math.floor(kill / places.length) % 2 === 0
    let made: number
    {
      using reader = await GaussianIndex.open(file, { readonly: true, mmap: !mmap })
      made = holds(reader, content, changes, acknowledged)
    }
    {
      using index = await GaussianIndex.open(file, { mmap }) // its lock is free again
      expect(holds(index, content, changes, acknowledged), 'readers and writers see the same').toBe(made)
      if ((await stat(`${file}.journal`)).size < journal) counts.torn++
      await index.verify()
      if (kill % 7 === 3) await index.save(file)
    }
    counts.acknowledged += acknowledged
    counts.underway += changes.length - acknowledged
    counts.kept += made - acknowledged
    counts.lost += changes.length - made
    if (!writer.ready) counts.early++
    for (const change of changes.slice(0, made)) place.content = applied(place.content, change)
    for (const name of await readdir(dirname(file))) {
      if (name === basename(file) || name === `${basename(file)}.journal`) continue
      expect(name).toMatch(/^\.uec-[A-Za-z0-9-]+$/)
      await rm(join(dirname(file), name))
      counts.temporary++
    }
  }
  console.log(`writer: ${JSON.stringify(counts)}`)
  expect(counts.kills).toBe(KILLS)
  expect(counts.acknowledged).toBeGreaterThan(KILLS)
  expect(counts.readers).toBeGreaterThan(KILLS / 10)
  if (!LONG) return
  expect(counts.kills - counts.pure, 'kills of native writers').toBeGreaterThanOrEqual(200)
  // The kills hit what they are meant to hit.
  for (const what of ['kept', 'lost', 'torn', 'early', 'temporary'] as const)
    expect(counts[what], what).toBeGreaterThan(0)
}, 900_000)
