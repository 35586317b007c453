// uec as users call it: `node uec.mjs uec` the addon, `node uec.mjs uec/pure` plain TypeScript.
import { statSync } from 'node:fs'
import { gaps } from './gaps.mjs'
import { read, readQueries } from './rows.mjs'
import { serve, timed } from './serve.mjs'

const { GaussianBatch, GaussianIndex, capabilities, configure, similarity } = await import(process.argv[2])

/** Rows added in one call: little beside the index, so that memory is the index's. */
const BLOCK = 4096
const indexes = new Map()

const batch = (rows, dimension) => new GaussianBatch({ ...rows, dimension })

/** Until the rows that were handed over are collected, which takes turns of the event loop. */
async function settled() {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function grow(index, folder, rows) {
  for (let start = index.size; start < rows; start += BLOCK) {
    const count = Math.min(BLOCK, rows - start)
    const ids = Array.from({ length: count }, (_, i) => String(start + i))
    await index.add(ids, batch(read(folder, start, count, index.dimension), index.dimension))
  }
}

/** Searches again until `atLeast` ms are over and answers with the mean. */
async function search(index, { folder, first, queries, k, score, atLeast = 0 }) {
  const asked = batch(readQueries(folder, first, queries, index.dimension), index.dimension)
  let [runs, hits] = [0]
  const start = performance.now()
  do {
    hits = await index.search(asked, { k, score })
    runs++
  } while (performance.now() - start < atLeast)
  const ms = (performance.now() - start) / runs
  return {
    ms,
    best: hits
      .of(0)
      .slice(0, 10)
      .map(({ id }) => Number(id)),
  }
}

await serve({
  info: () => capabilities(),
  configure: (options) => configure?.(options), // uec/pure has one thread and nothing to configure
  async load({ name, folder, rows, dimension, storage = 'float32', prefilter = false }) {
    await settled()
    const before = process.memoryUsage.rss()
    const index = new GaussianIndex({ dimension, storage, prefilter: prefilter ? 'int8' : 'none' })
    await grow(index, folder, rows)
    indexes.set(name, index)
    await settled()
    return { bytes: index.bytes, resident: process.memoryUsage.rss() - before }
  },
  grow: ({ name, folder, rows }) => grow(indexes.get(name), folder, rows),
  drop({ name }) {
    indexes.get(name).dispose()
    indexes.delete(name)
    globalThis.gc?.()
  },
  search: ({ name, ...request }) => search(indexes.get(name), request),
  async 'all-pairs'({ folder, rows, dimension }) {
    const halves = [0, rows].map((start) => batch(read(folder, start, rows, dimension), dimension))
    const { ms } = await timed(() => similarity(...halves))
    return { ms }
  },
  async gaps({ name, seconds, ...request }) {
    const { index, end } = { index: indexes.get(name), end: performance.now() + seconds * 1000 }
    return gaps(async () => {
      do await search(index, request)
      while (performance.now() < end)
    })
  },
  async save({ name, file }) {
    await indexes.get(name).save(file)
    return { bytes: statSync(file).size }
  },
  async open({ file, ...request }) {
    const opened = await timed(() => GaussianIndex.open(file, { mmap: true, readonly: true }))
    const first = await search(opened.result, request)
    opened.result.dispose()
    return { ms: opened.ms, first: first.ms }
  },
})
