// Opening a large file by memory map, and its first search.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DIMENSION } from '../bench.mjs'
import { during } from '../measure/child.mjs'
import { speedup, summary } from '../measure/statistics.mjs'

export const rows = ['open', 'open-first']

/** Bytes of the file. */
const FILE = 1e9

export async function run(bench) {
  const data = await bench.data('clustered')
  const folder = join(bench.folder, 'open')
  await mkdir(folder, { recursive: true })
  try {
    await bench.attempt(rows, () =>
      during(bench.uec('uec', 1), (uec) =>
        during(bench.node('children/idle.mjs'), (idle) =>
          opening(bench, { uec, idle, data, file: join(folder, 'index') }),
        ),
      ),
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function opening(bench, { uec, idle, data, file }) {
  const rows = Math.min(bench.rows, Math.ceil(FILE / (8 * DIMENSION)))
  await uec.ask({ do: 'load', name: 'a', folder: data, rows, dimension: DIMENSION })
  const { bytes } = await uec.ask({ do: 'save', name: 'a', file })
  await uec.ask({ do: 'drop', name: 'a' })
  const request = { do: 'open', file, folder: data, first: 0, queries: 1, k: 10, score: 'uec' }
  const opened = () => uec.ask(request)
  await bench.measure('open', { ours: opened }, ({ ours }) => ({
    value: summary(ours.map(({ ms }) => ms)),
    bytes,
  }))
  const first = async () => ({ ms: (await uec.ask(request)).first })
  const read = () => idle.ask({ do: 'read', file })
  await bench.measure('open-first', { ours: first, theirs: read }, ({ ours, theirs }) => ({
    value: speedup(ours, theirs),
  }))
}
