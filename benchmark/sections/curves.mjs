// How the time of a search grows with n, D, k, queries and threads.
import { availableParallelism } from 'node:os'
import { DIMENSION } from '../bench.mjs'
import { alternate } from '../measure/alternate.mjs'
import { during } from '../measure/child.mjs'
import { summary } from '../measure/statistics.mjs'

export const rows = ['curve-n', 'curve-dimension', 'curve-k', 'curve-queries', 'curve-threads']

const SERIES = {
  float32: { storage: 'float32' },
  float16: { storage: 'float16' },
  int8: { storage: 'int8' },
  'float32, int8 prefilter': { storage: 'float32', prefilter: true },
}

const upTo = (most, values) => values.filter((value) => value <= most)

export async function run(bench) {
  const folder = await bench.data('clustered')
  /** n of the curves over something else than n. */
  const rows = Math.ceil(bench.rows / 10)
  const setting = { bench, folder, rows }
  if (bench.wants('curve-n')) await overRows(setting)
  if (bench.wants('curve-dimension')) await overDimension(setting)
  if (bench.wants('curve-k'))
    await overRequest(setting, 'k', 'hits wanted (k)', upTo(rows, [1, 10, 100, 1000, 10_000]))
  if (bench.wants('curve-queries'))
    await overRequest(setting, 'queries', 'queries searched together', [1, 2, 4, 8, 16, 32, 64, 128])
  if (bench.wants('curve-threads')) await overThreads(setting)
}

const request = (folder, changes = {}) => ({
  ...{ do: 'search', name: 'a', folder, first: 0, queries: 1, k: 10, score: 'uec', atLeast: 20 },
  ...changes,
})

function add({ bench }, name, axis, points, linear = true) {
  if (points.length > 0) bench.curves.push({ name, axis, points, linear })
}

/** Does `work` with a process that holds an index of the data. */
function loaded(bench, threads, data, work) {
  return during(bench.uec('uec', threads), async (uec) => {
    await uec.ask({ do: 'load', name: 'a', ...data })
    return work(uec)
  })
}

async function rounds(bench, uec, asked) {
  return (await alternate({ ours: () => uec.ask(asked) }, bench.rounds)).ours
}

const point = (x, series, answers) => ({ x, series, ...summary(answers.map(({ ms }) => ms)) })

/** An index grows, and is searched at each size on the way. */
async function overRows({ bench, folder }) {
  const sizes = upTo(bench.rows, [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6])
  const points = []
  for (const [series, options] of Object.entries(SERIES)) {
    await bench.attempt(['curve-n'], async () => {
      await during(bench.uec('uec', 1), async (uec) => {
        await uec.ask({ do: 'load', name: 'a', folder, rows: 0, dimension: DIMENSION, ...options })
        for (const rows of sizes) {
          bench.progress.row('curve-n', `${series}, ${rows} rows`)
          await uec.ask({ do: 'grow', name: 'a', folder, rows })
          points.push(point(rows, series, await rounds(bench, uec, request(folder))))
        }
      })
    })
  }
  add({ bench }, 'n', 'rows in the index (n)', points)
}

async function overDimension({ bench }) {
  const rows = Math.ceil(bench.rows / 20)
  const points = []
  for (const dimension of [96, 192, 384, 768, 1536]) {
    const folder = await bench.data('clustered', rows, dimension)
    bench.progress.row('curve-dimension', String(dimension))
    await loaded(bench, 1, { folder, rows, dimension }, async (uec) => {
      points.push(point(dimension, 'float32', await rounds(bench, uec, request(folder))))
    })
  }
  add({ bench }, 'dimension', 'dimension (D)', points)
}

/** One index; a member of the request changes, in turn over all its values. */
async function overRequest({ bench, folder, rows }, key, axis, values) {
  bench.progress.row(`curve-${key}`, `${rows} rows`)
  const answers = await loaded(bench, 1, { folder, rows, dimension: DIMENSION }, (uec) => {
    const works = values.map((value) => [value, () => uec.ask(request(folder, { [key]: value }))])
    return alternate(Object.fromEntries(works), bench.rounds)
  })
  const points = values.map((value) => point(value, 'float32', answers[value]))
  add({ bench }, key, axis, points, key === 'queries')
}

async function overThreads({ bench, folder, rows }) {
  const points = []
  const counts = upTo(availableParallelism(), [1, 2, 4, 8, 16, 32, 64])
  for (const queries of [1, 64]) {
    for (const threads of counts) {
      bench.progress.row('curve-threads', `threads: ${threads}, queries: ${queries}`)
      const answers = await loaded(bench, threads, { folder, rows, dimension: DIMENSION }, (uec) =>
        rounds(bench, uec, request(folder, { queries })),
      )
      points.push(point(threads, queries === 1 ? '1 query' : `${queries} queries`, answers))
    }
  }
  add({ bench }, 'threads', 'compute threads', points, false)
}
