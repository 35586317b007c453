// ONNX Runtime with the formula as a graph: rows go in as inputs, tile by tile, because a graph cannot hold gigabytes;
// the best of the tiles are merged here.
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { read, readQueries } from '../children/rows.mjs'
import { serve, timed } from '../children/serve.mjs'
import { TopK } from '../children/top-k.mjs'
import { formula } from './onnx-graph.mjs'

/** Rows per run: the intermediate values of a tile stay in the caches. */
const TILE = 2048

let dimension
let tiles
const sessions = new Map()

function tensor(numbers) {
  return new Tensor('float32', numbers, [numbers.length / dimension, dimension])
}

async function session(threads, k) {
  const key = `${threads} ${k}`
  if (!sessions.has(key)) {
    const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' }
    sessions.set(key, await InferenceSession.create(formula(dimension, k), options))
  }
  return sessions.get(key)
}

async function search(run, asked, queries, k) {
  const tops = Array.from({ length: queries }, () => new TopK(k))
  const [a, v] = [tensor(asked.mean), tensor(asked.variance)]
  for (const { start, b, w } of tiles) {
    const { best, rows } = await run.run({ a, v, b, w })
    for (let i = 0; i < best.data.length; i++)
      tops[Math.floor(i / k)].offer(best.data[i], start + Number(rows.data[i]))
  }
  return tops[0].rows
}

await serve({
  load(request) {
    dimension = request.dimension
    const { mean, variance } = read(request.folder, 0, request.rows, dimension)
    const cut = (numbers, start) => tensor(numbers.subarray(start * dimension, (start + TILE) * dimension))
    tiles = []
    for (let start = 0; start < request.rows; start += TILE)
      tiles.push({ start, b: cut(mean, start), w: cut(variance, start) })
  },
  async search({ folder, first, queries, k, threads }) {
    const run = await session(threads, k)
    const asked = readQueries(folder, first, queries, dimension)
    const { ms, result } = await timed(() => search(run, asked, queries, k))
    return { ms, best: result.slice(0, 10) }
  },
})
