// What every section uses: data, programs, measuring a row, the results so far.
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GOALS } from './goals.mjs'
import { alternate } from './measure/alternate.mjs'
import { Child, during, Unavailable } from './measure/child.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..')
const windows = process.platform === 'win32'

export const DIMENSION = 384
export const BATCH = 64

export class Bench {
  /** By row id: `{ value: { median, min, max }, … }` or `{ reason }`. */
  results = {}
  curves = []
  limits = {}
  /** Processes that computed in the minute before: above some tenths, ratios scatter. */
  load = loadavg()[0]

  /** `program` is the Rust measuring program, `only` the beginnings of row ids, or empty for all. */
  constructor({ rows, rounds, pairs, short, only, program, progress }) {
    Object.assign(this, { rows, rounds, pairs, short, only, program, progress })
    this.folder = join(root, 'target', 'benchmark')
  }

  wants(id) {
    return this.only.length === 0 || this.only.some((start) => id.startsWith(start))
  }

  /** The Rust program. */
  rust() {
    return new Child(this.program)
  }

  /** uec in a process with as many compute threads; `name` is 'uec' or 'uec/pure'. */
  async uec(name, threads) {
    const child = this.node('children/uec.mjs', name)
    try {
      await child.ask({ do: 'configure', threads })
      return child
    } catch (error) {
      await child.end()
      throw error
    }
  }

  /** A program of this folder. The heap's limit is for simsimd's views of a million rows. */
  node(file, ...args) {
    const flags = ['--expose-gc', '--max-old-space-size=4096']
    return new Child(process.execPath, [...flags, join(here, file), ...args])
  }

  /** A program of `python/`, if `npm run bench:peers` installed Python's libraries or UEC_PYTHON names one that has them. */
  python(threads, file = 'peers.py') {
    const installed = ['target', 'bench-python', ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python'])]
    const python = process.env.UEC_PYTHON ?? join(root, ...installed)
    if (!existsSync(python)) throw new Unavailable('not installed: npm run bench:peers')
    const count = String(threads)
    const env = { OPENBLAS_NUM_THREADS: count, OMP_NUM_THREADS: count, MKL_NUM_THREADS: count }
    return new Child(python, [join(here, 'python', file)], env)
  }

  /** The folder of a data set; made once and kept for the next run. */
  async data(kind, rows = this.rows, dimension = DIMENSION) {
    const folder = join(this.folder, `${kind}-${rows}x${dimension}`)
    if (existsSync(folder)) return folder
    const making = `${folder}.part`
    await rm(making, { recursive: true, force: true })
    await mkdir(making, { recursive: true })
    this.progress.phase(`making ${rows} ${kind} rows of ${dimension}`)
    const request = { do: 'generate', folder: making, kind, rows, dimension, queries: 2 * BATCH }
    await during(this.rust(), (rust) => rust.ask(request))
    await rename(making, folder)
    return folder
  }

  /**
   * Measures row `id`, if it is wanted: runs `works` in turn and keeps what `evaluate` makes of their answers. A program
   * that is not there gives the row its reason.
   */
  async measure(id, works, evaluate, rounds = this.rounds) {
    if (!this.wants(id)) return
    this.progress.row(id, GOALS.find((goal) => goal.id === id).work)
    await this.attempt([id], async () => {
      const answers = await alternate(works, rounds, (done, of) => this.progress.round(done, of))
      const times = Object.entries(answers).map(([name, list]) => [name, list.map(({ ms }) => ms)])
      this.results[id] = { ...evaluate(answers), ms: Object.fromEntries(times), ...agreement(answers) }
    })
  }

  /** Does the work; where something is not there, notes the reason on those of the rows that have no result. */
  async attempt(ids, work) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      for (const id of ids)
        if (this.wants(id)) this.results[id] ??= { reason: error.message.replaceAll(root, '') }
    }
  }
}

/** Which part of the ten best of the first query two programs agree on, where both say what they found. */
function agreement(answers) {
  const [a, b] = Object.values(answers).filter(([answer]) => answer?.best)
  if (!a || !b) return {}
  const shares = a.map(
    ({ best }, round) => best.filter((row) => b[round].best.includes(row)).length / best.length,
  )
  return { agreement: Math.min(...shares) }
}
