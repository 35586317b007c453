// npm run bench: the native search and scores beside uec/pure, in turn in one run. Needs a build (npm run build).

import { Bench } from 'tinybench'
import * as native from 'uec'
import * as pure from 'uec/pure'

const ROWS = Number(process.env.UEC_BENCH_ROWS ?? 20_000)
const DIMENSION = 384

/** Random unit means and small variances; mulberry32, so that both sides and every run get the same rows. */
function gaussians(rows, seed) {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const mean = Float32Array.from({ length: rows * DIMENSION }, () => random() - 0.5)
  for (let i = 0; i < rows; i++) {
    const row = mean.subarray(i * DIMENSION, (i + 1) * DIMENSION)
    const norm = Math.hypot(...row)
    row.forEach((x, d) => {
      row[d] = x / norm
    })
  }
  const variance = Float32Array.from({ length: rows * DIMENSION }, () => random() / DIMENSION)
  return new native.GaussianBatch({ mean, variance, dimension: DIMENSION })
}

const corpus = gaussians(ROWS, 1)
const queries = gaussians(16, 2)
const ids = Array.from({ length: ROWS }, (_, i) => String(i))
const indexes = {}
for (const [name, { GaussianIndex }] of Object.entries({ native, pure })) {
  indexes[name] = new GaussianIndex({ dimension: DIMENSION })
  await indexes[name].add(ids, corpus)
}

const WORK = {
  'search, 1 query': (name) => indexes[name].search(queries.slice(0, 1)),
  'search, 16 queries': (name) => indexes[name].search(queries),
  'similarity, 16 × 2 000': (name) => ({ native, pure })[name].similarity(queries, corpus.slice(0, 2000)),
}

const { threads, simd } = native.capabilities()
console.log(`${ROWS} rows × ${DIMENSION}, ${threads} threads, CPU features: ${simd.join(', ')}`)
for (const [what, work] of Object.entries(WORK)) {
  const bench = new Bench({ iterations: 7, time: 300, warmupIterations: 1 })
  for (const name of ['native', 'pure']) bench.add(name, () => work(name))
  await bench.run()
  const median = Object.fromEntries(bench.tasks.map((task) => [task.name, task.result.latency.p50]))
  const row = `native ${median.native.toFixed(2)} ms, pure ${median.pure.toFixed(2)} ms`
  console.log(`${what.padEnd(24)} ${row}, pure/native ${(median.pure / median.native).toFixed(1)}`)
}
