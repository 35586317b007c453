// Does one thing over and over and prints what memory does, as JSON: node --expose-gc soak.mjs <what> <amount>
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { convolve, Encoder, GaussianBatch, GaussianIndex } from '../../dist/index.js'
import { text } from './random.mjs'

const TINY = fileURLToPath(new URL('../fixtures/models/bert-ts17', import.meta.url))
const [what, amount] = process.argv.slice(2)

/** Resident memory in bytes after two collections: the first one lets native objects go. */
async function resident() {
  for (let i = 0; i < 2; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return process.memoryUsage.rss()
}

const KINDS = {
  /** Cycles of load, embed, dispose. */
  async cycles() {
    const cycle = async (i) => {
      const encoder = await Encoder.load(TINY, { threads: 1 })
      await encoder.embed([text(i), text(i + 1)])
      await encoder.dispose()
    }
    const count = Number(amount)
    for (let i = 0; i < Math.max(10, count / 10); i++) await cycle(i)
    const before = await resident()
    for (let i = 0; i < count; i++) await cycle(i)
    return { count, growth: (await resident()) - before }
  },

  /** Seconds of embed, convolve, add, search and remove. */
  async loop() {
    const encoder = await Encoder.load(TINY, { threads: 1 })
    const posterior = await encoder.fit(Array.from({ length: 40 }, (_, i) => text(i)))
    const fitted = await Encoder.load(TINY, { threads: 1, posterior })
    const index = new GaussianIndex({ dimension: fitted.dimension })
    const round = async (i) => {
      const texts = Array.from({ length: 16 }, (_, k) => text(16 * i + k))
      const batch = await fitted.embed(texts)
      const { gaussians } = await convolve([batch, await fitted.embed([...texts].reverse())])
      await index.add(texts, new GaussianBatch(gaussians))
      await index.search(gaussians, { k: 5 })
      if (i >= 20) await index.remove(Array.from({ length: 16 }, (_, k) => text(16 * (i - 20) + k)))
    }
    const end = performance.now() + 1000 * Number(amount)
    const warm = performance.now() + 250 * Number(amount)
    let i = 0
    while (performance.now() < warm) await round(i++)
    const before = await resident()
    while (performance.now() < end) await round(i++)
    return { count: i, growth: (await resident()) - before, size: index.size }
  },

  /** A fit of so many pairs; the largest resident memory in it. */
  async fit() {
    const encoder = await Encoder.load(TINY, { threads: 1 })
    function* pairs() {
      for (let i = 0; i < Number(amount); i++) yield { query: text(i), positive: text(i + 1) }
    }
    const posterior = await encoder.fit(pairs())
    return { count: posterior.pairs, peak: process.resourceUsage().maxRSS * 1024 }
  },

  /** Workers that load the addon, embed once and end: by themselves, or terminated every other time. */
  async workers() {
    const code = `
      const { Encoder } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)})
      const { parentPort } = await import('node:worker_threads')
      const encoder = await Encoder.load(${JSON.stringify(TINY)}, { threads: 1 })
      parentPort.postMessage((await encoder.embed(['the river and a horse'])).mean)
    `
    const run = (terminated) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
        let mean
        worker.on('error', reject)
        worker.on('message', (numbers) => {
          mean = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('hex')
          if (terminated) void worker.terminate()
        })
        worker.on('exit', (status) => resolve({ mean, status: terminated ? 0 : status }))
      })
    const count = Number(amount)
    const ends = [await run(false), await run(true)]
    const before = await resident()
    for (let i = 2; i < count; i += 2) ends.push(...(await Promise.all([run(false), run(true)])))
    return {
      count: ends.length,
      growth: (await resident()) - before,
      statuses: [...new Set(ends.map((end) => end.status))],
      means: new Set(ends.map((end) => end.mean)).size,
    }
  },
}

console.log(JSON.stringify(await KINDS[what]()))
