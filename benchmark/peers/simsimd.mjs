// simsimd: three dot products per row, a·b, (a² + v)·w and v·b², and the formula in JavaScript. The squares b² are made
// beforehand, and so are the views of the rows: making them during the search would cost more than the products.
import simsimd from 'simsimd'
import { read, readQueries } from '../children/rows.mjs'
import { serve, timed } from '../children/serve.mjs'
import { TopK } from '../children/top-k.mjs'

let dimension
let rows

const views = (numbers) =>
  Array.from({ length: numbers.length / dimension }, (_, row) =>
    numbers.subarray(row * dimension, (row + 1) * dimension),
  )

function search(mean, variance, k) {
  const second = mean.map((a, d) => a * a + variance[d])
  const top = new TopK(k)
  for (let row = 0; row < rows.mean.length; row++) {
    const similarity = simsimd.dot(mean, rows.mean[row])
    const spread = simsimd.dot(second, rows.variance[row]) + simsimd.dot(variance, rows.square[row])
    top.offer(similarity / Math.sqrt(1 + (Math.PI / 8) * spread), row)
  }
  return top.rows
}

await serve({
  load(request) {
    dimension = request.dimension
    const { mean, variance } = read(request.folder, 0, request.rows, dimension)
    rows = { mean: views(mean), variance: views(variance), square: views(mean.map((x) => x * x)) }
  },
  async search({ folder, first, k }) {
    const { mean, variance } = readQueries(folder, first, 1, dimension)
    const { ms, result } = await timed(() => search(mean, variance, k))
    return { ms, best: result.slice(0, 10) }
  },
})
