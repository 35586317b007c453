// The index from Rust, against the machine's limits and against itself: plans and storages.
import { BATCH, DIMENSION } from '../bench.mjs'
import { during } from '../measure/child.mjs'
import { percent, speedup } from '../measure/statistics.mjs'
import { bytes } from './limits.mjs'

export const rows = [
  ...[
    'fused-1',
    'fused-2',
    'certified',
    'certified-uniform',
    'float16',
    'int8',
    'prefilter',
    'prefilter-uniform',
  ],
  ...[
    'batch-1',
    'batch-2',
    'batch-certified',
    'batch-threads',
    'all-pairs-1',
    'all-pairs-2',
    'all-pairs-threads',
  ],
]

const faster = ({ ours, theirs }) => ({ value: speedup(ours, theirs) })
const part =
  (work, key) =>
  ({ ours, limit }) => ({ value: percent(ours, work, limit, key) })

export function run(bench) {
  return during(bench.rust(), (rust) => kernels(bench, rust))
}

async function kernels(bench, rust) {
  await rust.ask({ do: 'reserve', bytes: bytes(bench) })
  for (const kind of ['clustered', 'uniform']) {
    const suffix = kind === 'clustered' ? '' : '-uniform'
    const setting = { rust, kind, suffix, folder: await bench.data(kind) }
    await load(setting, bench, 'float32', {})
    if (kind === 'clustered') {
      await limits(bench, setting)
      await storages(bench, setting)
    }
    await plans(bench, setting)
    await rust.ask({ do: 'drop', name: 'float32' })
  }
}

function load({ rust, folder }, { rows }, name, { storage = 'float32', prefilter = false }) {
  return rust.ask({ do: 'load', name, folder, rows, dimension: DIMENSION, storage, prefilter })
}

/** A search as a work of `alternate`; each round asks another query. */
function search({ rust, folder }, name, { plan = 'certified', queries = 1, threads = 1 } = {}) {
  const request = { do: 'search', name, folder, queries, k: 10, score: 'uec', plan, threads }
  return (round) => rust.ask({ ...request, first: round })
}

async function limits(bench, setting) {
  const { rust, folder } = setting
  const size = 2 * 4 * DIMENSION * bench.rows
  const operations = 3 * 2 * DIMENSION * BATCH * bench.rows
  const pairs = 1000
  const allPairs = (threads) => () =>
    rust.ask({
      do: 'all-pairs',
      folder,
      rows: Math.min(pairs, bench.rows / 2),
      dimension: DIMENSION,
      threads,
    })
  for (const threads of [1, 2]) {
    const read = () => rust.ask({ do: 'read', threads })
    const fma = () => rust.ask({ do: 'fma', threads })
    const fused = (queries) => search(setting, 'float32', { plan: 'fused', queries, threads })
    await bench.measure(`fused-${threads}`, { ours: fused(1), limit: read }, part(size, 'bytes'))
    await bench.measure(`batch-${threads}`, { ours: fused(BATCH), limit: fma }, part(operations, 'flops'))
    const products = 3 * 2 * DIMENSION * Math.min(pairs, bench.rows / 2) ** 2
    await bench.measure(
      `all-pairs-${threads}`,
      { ours: allPairs(threads), limit: fma },
      part(products, 'flops'),
    )
  }
  const batch = (options) => search(setting, 'float32', { queries: BATCH, ...options })
  await bench.measure('batch-threads', { ours: batch({ threads: 2 }), theirs: batch({ threads: 1 }) }, faster)
  await bench.measure('batch-certified', { ours: batch({}), theirs: batch({ plan: 'fused' }) }, faster)
  await bench.measure('all-pairs-threads', { ours: allPairs(2), theirs: allPairs(1) }, faster)
}

async function storages(bench, setting) {
  for (const storage of ['float16', 'int8']) {
    if (!bench.wants(storage)) continue
    await bench.attempt([storage], async () => {
      await load(setting, bench, storage, { storage })
      await bench.measure(
        storage,
        { ours: search(setting, storage), theirs: search(setting, 'float32') },
        faster,
      )
      await setting.rust.ask({ do: 'drop', name: storage })
    })
  }
}

async function plans(bench, setting) {
  const fused = search(setting, 'float32', { plan: 'fused' })
  await bench.measure(
    `certified${setting.suffix}`,
    { ours: search(setting, 'float32'), theirs: fused },
    faster,
  )
  const id = `prefilter${setting.suffix}`
  if (!bench.wants(id)) return
  await bench.attempt([id], async () => {
    await load(setting, bench, 'prefilter', { prefilter: true })
    await bench.measure(id, { ours: search(setting, 'prefilter'), theirs: fused }, faster)
    await setting.rust.ask({ do: 'drop', name: 'prefilter' })
  })
}
