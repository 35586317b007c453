// usearch, exact search over the means: the inner product, which of unit vectors is the cosine.
import { exactSearch } from 'usearch'
import { read, readQueries } from '../children/rows.mjs'
import { serve, timed } from '../children/serve.mjs'

let dimension
let mean

await serve({
  load(request) {
    dimension = request.dimension
    ;({ mean } = read(request.folder, 0, request.rows, dimension))
  },
  async search({ folder, first, queries, k, threads }) {
    const asked = readQueries(folder, first, queries, dimension).mean
    const { ms, result } = await timed(() => exactSearch(mean, asked, dimension, k, 'ip', threads))
    const { keys } = queries === 1 ? result : result.get(0)
    return { ms, best: Array.from(keys.subarray(0, 10), Number) }
  },
})
