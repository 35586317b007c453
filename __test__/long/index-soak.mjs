// Changes, searches and reads of an index in memory and of one in a file, over and over, each answer checked; prints what
// memory does, as JSON: node --expose-gc index-soak.mjs <native|pure> <seconds>
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { random } from './random.mjs'
import { DIMENSION, rowOf, rowsOf } from './rows.mjs'

const [name, seconds] = process.argv.slice(2)
const { GaussianBatch, GaussianIndex } = await import(
  { native: '../../dist/index.js', pure: '../../dist/pure/index.js' }[name]
)

/** Rows of each index: as many are added as removed. */
const SIZE = 4000
const CHANGED = 40
const QUERIES = 4
const STORAGES = ['float32', 'float16', 'int8']

const folder = mkdtempSync(join(tmpdir(), 'uec-soak-'))
const next = random(1)
const done = {}
const count = (what) => {
  done[what] = (done[what] ?? 0) + 1
}
const batch = (ids, version) => new GaussianBatch(rowsOf(ids, version))
const handles = () => {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0 // not on this system
  }
}
function expect(truth, what) {
  if (!truth) throw new Error(`${what}, after ${JSON.stringify(done)}`)
}

/** One index and what it must hold: the version of each id, in the order of the first adds. */
class Subject {
  versions = new Map()
  fresh = 0
  storage
  file

  async fill(storage, prefilter, file) {
    this.storage = storage
    this.file = file
    this.index = new GaussianIndex({ dimension: DIMENSION, storage, prefilter })
    await this.add(Array.from({ length: SIZE }, () => `${this.fresh++}`))
    if (!file) return this
    await this.index.save(file)
    this.index.dispose()
    this.index = await GaussianIndex.open(file, { mmap: true })
    return this
  }

  async add(ids) {
    const version = Math.floor(next() * 1e6)
    await this.index.add(ids, batch(ids, version))
    for (const id of ids) this.versions.set(id, version)
    count('add')
  }

  async round(i) {
    const { index, versions } = this
    const ids = [...versions.keys()]
    const chosen = Array.from({ length: QUERIES }, () => ids[Math.floor(next() * ids.length)])
    const search = this.find(chosen) // on the rows of its call, whatever is changed meanwhile
    await this.add(Array.from({ length: CHANGED }, () => `${this.fresh++}`))
    const at = Math.floor(next() * (ids.length - CHANGED))
    await this.add(ids.slice(at, at + CHANGED))
    const removed = [...ids.slice(0, CHANGED / 2), ...ids.slice(-CHANGED / 2)]
    expect((await index.remove(removed)) === CHANGED, 'remove found another number of rows')
    for (const id of removed) versions.delete(id)
    count('remove')
    await search
    for (const id of removed.slice(0, 3)) expect(!index.has(id) && !index.get(id), `${id} is still there`)
    for (const id of [ids[CHANGED], `${this.fresh - 1}`]) this.check(index, id)
    expect(index.size === SIZE, `size ${index.size}`)
    if (i % 20 === 0) expect(index.ids().join() === [...versions.keys()].join(), 'other ids')
    if (this.file && i % 50 === 10) await this.read(i % 100 === 10)
    if (this.file && i % 50 === 49) {
      await index.save(this.file)
      count('save')
    }
    if (i % 500 === 400) {
      await index.verify()
      count('verify')
    }
    if (this.file && i % 500 === 450) await this.reopen(i % 1000 === 450)
  }

  /** Each of these rows is nearest to itself. */
  async find(ids) {
    const versions = ids.map((id) => this.versions.get(id))
    const rows = ids.map((id, i) => rowOf(id, versions[i]))
    const queries = GaussianBatch.concat(
      rows.map(
        ({ mean, variance }) =>
          new GaussianBatch({
            mean: Float32Array.from(mean),
            variance: Float32Array.from(variance),
            dimension: DIMENSION,
          }),
      ),
    )
    const score = next() < 0.5 ? 'wasserstein2' : 'uec'
    const hits = await this.index.search(queries, { k: 5, score })
    for (const [q, id] of ids.entries()) {
      expect(hits.counts[q] === 5, `${hits.counts[q]} hits`)
      if (score === 'wasserstein2') expect(hits.of(q)[0].id === id, `${hits.of(q)[0].id} in place of ${id}`)
    }
    count('search')
  }

  check(index, id) {
    const row = index.get(id)
    const wanted = rowOf(id, this.versions.get(id))
    expect(
      row?.mean.every((x, i) => x === wanted.mean[i]),
      `the mean of ${id}`,
    )
    expect(
      row.variance.every((x, i) => x === wanted.variance[i]),
      `the variance of ${id}`,
    )
    count('get')
  }

  async read(mmap) {
    const reader = await GaussianIndex.open(this.file, { readonly: true, mmap })
    expect(reader.ids().join() === [...this.versions.keys()].join(), 'a reader sees other ids')
    this.check(reader, reader.ids()[0])
    await reader.verify()
    reader.dispose()
    count('reader')
  }

  async reopen(mmap) {
    this.index.dispose()
    this.index = await GaussianIndex.open(this.file, { mmap })
    for (const id of [...this.versions.keys()].slice(-50)) this.check(this.index, id)
    count('reopen')
  }
}

const subjects = []
for (const [i, storage] of [...STORAGES, 'float32'].entries()) {
  const prefilter = i === 3 ? 'int8' : 'none'
  subjects.push(await new Subject().fill(storage, prefilter))
  subjects.push(await new Subject().fill(storage, prefilter, join(folder, `${i}.uec`)))
}
const openAtFirst = handles()

/** Resident memory after collections. */
async function resident() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 50)) // rows are given back aside
  }
  return process.memoryUsage.rss()
}

let rounds = 0
// Bytes of the indexes in memory: how much of a mapped file is replaced by rows in memory depends on the last save.
let [bytes, mostBytes, journal] = [0, 0, 0]
async function soak(time) {
  const end = performance.now() + 1000 * time
  while (performance.now() < end) {
    for (const subject of subjects) await subject.round(rounds)
    rounds++
    bytes = subjects.filter(({ file }) => !file).reduce((sum, { index }) => sum + index.bytes, 0)
    mostBytes = Math.max(mostBytes, bytes)
    for (const { file } of subjects) if (file) journal = Math.max(journal, statSync(`${file}.journal`).size)
  }
}
await soak(0.25 * seconds)
const [warm, warmBytes] = [await resident(), mostBytes]
mostBytes = 0
const samples = []
for (let i = 0; i < 5; i++) {
  await soak(0.15 * seconds)
  samples.push((await resident()) - warm)
}
const left = handles() - openAtFirst
for (const { index } of subjects) index.dispose()
await resident()
const closed = openAtFirst - handles()
const names = readdirSync(folder).filter((name) => !/^\d\.uec(\.journal)?$/.test(name))
rmSync(folder, { recursive: true })
console.log(
  JSON.stringify({
    rounds,
    done,
    warm,
    growth: samples.at(-1),
    samples,
    warmBytes,
    mostBytes,
    journal,
    left,
    closed,
    names,
  }),
)
