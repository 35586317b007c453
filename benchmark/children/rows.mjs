// The data set's files, written by benchmark/rust/src/dataset.rs: little-endian float32, row-major.
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** Reads into `target` from row `start` on. */
function fill(file, target, start, dimension) {
  const descriptor = openSync(file)
  const bytes = new Uint8Array(target.buffer)
  for (let done = 0; done < bytes.length; ) {
    const most = Math.min(bytes.length - done, 2 ** 30)
    const read = readSync(descriptor, bytes, done, most, start * dimension * 4 + done)
    if (read === 0) throw new Error(`${file} ends too early`)
    done += read
  }
  closeSync(descriptor)
  return target
}

/** `{ mean, variance }` of rows, or of queries where `prefix` is `query-`. */
export function read(folder, start, rows, dimension, prefix = '') {
  const load = (name) =>
    fill(join(folder, `${prefix}${name}.f32`), new Float32Array(rows * dimension), start, dimension)
  return { mean: load('mean'), variance: load('variance') }
}

export const readQueries = (folder, first, queries, dimension) =>
  read(folder, first, queries, dimension, 'query-')
