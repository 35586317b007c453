// Workers that share the addon, and are terminated in the middle of things; prints what happened, as JSON:
// node index-workers.mjs <rounds>
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { GaussianBatch, GaussianIndex } from '../../dist/index.js'
import { random } from './random.mjs'
import { DIMENSION, rowsOf } from './rows.mjs'

const here = fileURLToPath(import.meta.url)
const batch = (ids, version) => new GaussianBatch(rowsOf(ids, version))
const names = (n, prefix = '') => Array.from({ length: n }, (_, i) => `${prefix}${i}`)
const say = (message) => parentPort.postMessage(message)
const code = (promise) =>
  promise.then(
    () => 'opened',
    (error) => error.code,
  )

/** Everything at once in an index of its own; what came out, which is the same everywhere. */
async function ownIndex(file) {
  const ids = names(600)
  const made = new GaussianIndex({ dimension: DIMENSION, prefilter: 'int8' })
  await made.save(file)
  const index = await GaussianIndex.open(file, { mmap: true })
  const found = []
  for (let version = 0; version < 5; version++) {
    const searched = index.search(batch(ids.slice(0, 8), version), { k: 7 })
    await index.add(ids.slice(version), batch(ids.slice(version), version))
    await index.remove(ids.slice(100 * version, 100 * version + 30))
    const [before, after] = [await searched, await index.search(batch(ids.slice(0, 8), version), { k: 7 })]
    found.push([...before.scores, ...after.scores], after.ids, index.size)
    if (version === 3) await index.save(file)
  }
  await index.verify()
  index.dispose()
  return JSON.stringify(found)
}

/** What a worker does; `say` tells the main thread when to end it. */
const TASKS = {
  own: async ({ file }) => say(await ownIndex(file)),
  open: async ({ file }) => say(await code(GaussianIndex.open(file))),
  hold: async ({ file }) => {
    const index = await GaussianIndex.open(file)
    say('held')
    setInterval(() => index.size, 1000)
  },
  search: async ({ file }) => {
    const index = await GaussianIndex.open(file, { mmap: true, readonly: true })
    const queries = batch(names(400, 'q'), 0)
    say('searching')
    for (;;) await index.search(queries, { k: 50, score: 'expected-likelihood' })
  },
  add: async ({ file, ids }) => {
    const index = await GaussianIndex.open(file)
    const rows = batch(ids, 1)
    say('adding')
    for (;;) {
      await index.add(ids, rows)
      await index.remove(ids)
    }
  },
  save: async ({ file }) => {
    const index = await GaussianIndex.open(file)
    say('saving')
    for (;;) await index.save(file)
  },
  reopen: async ({ file }) => {
    say('opening')
    for (let i = 0; ; i++) (await GaussianIndex.open(file, { mmap: i % 2 === 0 })).dispose()
  },
  read: async ({ file, sizes }) => {
    const seen = new Set()
    say('reading')
    let go = true
    parentPort.once('message', () => {
      go = false
    })
    for (let i = 0; go; i++) {
      const index = await GaussianIndex.open(file, { readonly: true, mmap: i % 2 === 0 })
      await index.verify()
      const ids = index.ids()
      index.dispose()
      if (!sizes.includes(ids.length) || ids.some((id, i) => id !== `${i}`))
        throw new Error(`${ids.length} ids`)
      seen.add(ids.length)
    }
    say(seen.size)
  },
}

if (!isMainThread) await TASKS[workerData.task](workerData)
else if (process.argv[3]) console.log(await code(GaussianIndex.open(process.argv[3])))
else await main(Number(process.argv[2]))

/** A worker, and a promise of each thing that it says. */
function work(task, data) {
  const worker = new Worker(here, { workerData: { task, ...data } })
  const said = []
  const wanted = []
  const failed = new Promise((_, reject) => worker.once('error', reject))
  failed.catch(() => {})
  worker.on('message', (message) => (wanted.length > 0 ? wanted.shift()(message) : said.push(message)))
  const next = () =>
    Promise.race([failed, said.length > 0 ? said.shift() : new Promise((resolve) => wanted.push(resolve))])
  return { worker, next }
}

function expect(truth, what) {
  if (!truth) throw new Error(what)
}

async function main(rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'uec-workers-'))
  const file = join(folder, 'index.uec')
  const next = random(5)
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const ids = names(20_000)
  const made = new GaussianIndex({ dimension: DIMENSION })
  await made.add(ids, batch(ids, 0))
  await made.save(file)
  const found = { own: 0, terminated: {}, longest: 0, readers: 0 }

  // Each in an index of its own, all at once.
  const workers = names(6, join(folder, 'own')).map((file) => work('own', { file }).next())
  const answers = [await ownIndex(join(folder, 'main')), ...(await Promise.all(workers))]
  expect(new Set(answers).size === 1, 'workers found other hits')
  found.own = answers.length

  // The lock, across threads and processes, both ways.
  const process2 = () => spawnSync(process.execPath, [here, '0', file], { encoding: 'utf8' }).stdout.trim()
  {
    const index = await GaussianIndex.open(file)
    expect((await work('open', { file }).next()) === 'ERR_FILE_LOCKED', 'a worker took the lock of main')
    expect(process2() === 'ERR_FILE_LOCKED', 'a process took the lock of main')
    index.dispose()
  }
  expect(process2() === 'opened', 'the lock was not given back')
  const holder = work('hold', { file })
  await holder.next()
  expect((await code(GaussianIndex.open(file))) === 'ERR_FILE_LOCKED', 'main took the lock of a worker')
  expect(process2() === 'ERR_FILE_LOCKED', 'a process took the lock of a worker')
  await holder.worker.terminate()

  // Terminated in the middle: the lock is free again, and the file is whole.
  const many = names(5000, 'more ')
  for (let round = 0; round < rounds; round++)
    for (const [task, data] of Object.entries({
      hold: {},
      search: {},
      add: { ids: many },
      save: {},
      reopen: {},
    })) {
      const { worker, next: said } = work(task, { file, ...data })
      await said()
      await wait(next() * 40)
      const start = performance.now()
      await worker.terminate()
      found.longest = Math.max(found.longest, performance.now() - start)
      found.terminated[task] = (found.terminated[task] ?? 0) + 1
      const index = await GaussianIndex.open(file, { mmap: round % 2 === 0 })
      await index.verify()
      const { size } = index
      expect(
        size === ids.length || (task === 'add' && size === ids.length + many.length),
        `${task}: ${size} rows`,
      )
      await index.remove(many)
      const hits = await index.search(batch(['7'], 0), { k: 1, score: 'wasserstein2' })
      expect(hits.of(0)[0].id === '7', `${task}: ${hits.of(0)[0].id}`)
      if (round % 3 === 2) await index.save(file)
      index.dispose()
    }
  const strange = readdirSync(folder).filter((name) => !/^(index\.uec|own\d|main)(\.journal)?$/.test(name))

  // Readers in workers while main writes: all or nothing of each change.
  {
    const index = await GaussianIndex.open(file)
    const sizes = [ids.length]
    const more = Array.from({ length: 4 }, (_, i) => names(21_000 + 1000 * i).slice(20_000 + 1000 * i))
    for (const part of more) sizes.push(sizes.at(-1) + part.length)
    const readers = [1, 2].map(() => work('read', { file, sizes }))
    for (const { next } of readers) await next()
    for (let round = 0; round < 3 * rounds; round++) {
      for (const part of more) await index.add(part, batch(part, round))
      for (const part of [...more].reverse()) await index.remove(part)
      if (round % 2 === 1) await index.save(file)
    }
    for (const { worker, next } of readers) {
      worker.postMessage('enough')
      found.readers = Math.max(found.readers, await next())
    }
    index.dispose()
  }
  rmSync(folder, { recursive: true })
  console.log(JSON.stringify({ ...found, strange }))
  process.exit()
}
