// The resident memory that an index adds to its process, against the bytes of its rows and ids.
import { DIMENSION } from '../bench.mjs'
import { during } from '../measure/child.mjs'

const STORAGES = {
  memory: { storage: 'float32' },
  'memory-float16': { storage: 'float16' },
  'memory-int8': { storage: 'int8' },
  'memory-prefilter': { storage: 'float32', prefilter: true },
}

export const rows = Object.keys(STORAGES)

export async function run(bench) {
  const folder = await bench.data('clustered')
  for (const [id, options] of Object.entries(STORAGES)) {
    if (!bench.wants(id)) continue
    bench.progress.row(id, 'loading')
    await bench.attempt([id], () =>
      during(bench.uec('uec', 1), async (uec) => {
        const data = { folder, dimension: DIMENSION, ...options }
        // What the first index of a process brings along (threads, code) is not the second one's.
        await uec.ask({ do: 'load', name: 'first', ...data, rows: Math.min(bench.rows, 4096) })
        await uec.ask({ do: 'drop', name: 'first' })
        const { bytes, resident } = await uec.ask({ do: 'load', name: 'a', ...data, rows: bench.rows })
        const stored = bench.rows * rowBytes(options) + idBytes(bench.rows)
        const over = 100 * (resident / stored - 1)
        bench.results[id] = { value: { median: over, min: over, max: over }, bytes, resident, stored }
      }),
    )
  }
}

/** Means and variances; lossy ones with a scale each; the prefilter with a scale and an error. */
function rowBytes({ storage, prefilter = false }) {
  const width = { float32: 4, float16: 2, int8: 1 }[storage]
  const scales = storage === 'float32' ? 0 : 8
  return 2 * width * DIMENSION + scales + (prefilter ? DIMENSION + 8 : 0)
}

/** The ids are the numbers of the rows in decimal. */
function idBytes(rows) {
  let bytes = 0
  for (let digits = 1, from = 0; from < rows; from = 10 ** digits++)
    bytes += digits * (Math.min(rows, 10 ** digits) - from)
  return bytes
}
