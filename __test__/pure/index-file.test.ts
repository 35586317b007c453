/** Faults of the disk and of other writers, which only a file made by hand can show. */

import { createHash } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { GaussianBatch, GaussianIndex } from '../../src/pure/index.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-file-'))
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(() => {
  vi.restoreAllMocks()
})

const rows = new GaussianBatch({
  mean: Float32Array.of(1, 0, 0, 1),
  variance: Float32Array.of(0, 0.5, 0.25, 0),
  dimension: 2,
})

/** A sound file of two rows 'a' and 'b', changed and given the right checksum again. */
async function forged(change: (bytes: Buffer, view: DataView) => void): Promise<string> {
  const file = join(folder, 'forged.uec')
  using index = new GaussianIndex({ dimension: 2, fingerprint: 'f' })
  await index.add(['a', 'b'], rows)
  await index.save(file)
  const bytes = await readFile(file)
  change(bytes, new DataView(bytes.buffer, bytes.byteOffset))
  bytes.fill(0, 104, 136)
  createHash('sha256').update(bytes).digest().copy(bytes, 104)
  await writeFile(file, bytes)
  return file
}

test('the layout is the documented one', async () => {
  const bytes = await readFile(await forged(() => {}))
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('UECINDEX')
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  expect([8, 12, 16, 20].map((at) => view.getUint32(at, true))).toEqual([1, 0, 2, 1])
  const numbers = Array.from({ length: 10 }, (_, i) => Number(view.getBigUint64(24 + 8 * i, true)))
  expect(numbers).toEqual([2, 400, 192, 1, 256, 10, 320, 16, 384, 16])
  expect(bytes).toHaveLength(400)
  expect(bytes.subarray(192, 193).toString()).toBe('f')
  expect(bytes.subarray(256, 266).toString('hex')).toBe('01000000010000006162')
  expect(view.getFloat32(320, true)).toBe(1)
  expect(view.getFloat32(388, true)).toBe(0.5)
})

test.each<[string, string, (bytes: Buffer, view: DataView) => void]>([
  ['a newer version', 'ERR_FILE_VERSION', (_, view) => view.setUint32(8, 2, true)],
  ['version 0', 'ERR_FILE_CORRUPT', (_, view) => view.setUint32(8, 0, true)],
  ['another storage', 'ERR_FILE_CORRUPT', (_, view) => view.setUint32(12, 7, true)],
  ['dimension 0', 'ERR_FILE_CORRUPT', (_, view) => view.setUint32(16, 0, true)],
  ['unknown flags', 'ERR_FILE_CORRUPT', (_, view) => view.setUint32(20, 3, true)],
  ['more rows than bytes', 'ERR_FILE_CORRUPT', (_, view) => view.setBigUint64(24, 2n ** 31n, true)],
  ['2⁶⁴ − 1 rows', 'ERR_FILE_CORRUPT', (_, view) => view.setBigUint64(24, 2n ** 64n - 1n, true)],
  ['a huge id section', 'ERR_FILE_CORRUPT', (_, view) => view.setBigUint64(64, 2n ** 62n, true)],
  ['a shifted section', 'ERR_FILE_CORRUPT', (_, view) => view.setBigUint64(72, 64n, true)],
  ['the same id twice', 'ERR_FILE_CORRUPT', (bytes) => bytes.write('a', 265)],
  ['an id that is no text', 'ERR_FILE_CORRUPT', (bytes) => bytes.fill(0xff, 265, 266)],
  ['ids of a wrong length', 'ERR_FILE_CORRUPT', (_, view) => view.setUint32(256, 2, true)],
  ['a mean of NaN', 'ERR_FILE_CORRUPT', (_, view) => view.setFloat32(320, Number.NaN, true)],
  ['a row of zeros', 'ERR_FILE_CORRUPT', (_, view) => view.setFloat32(320, 0, true)],
  ['a negative variance', 'ERR_FILE_CORRUPT', (_, view) => view.setFloat32(384, -1, true)],
])('a file with %s and a right checksum is refused', async (_, code, change) => {
  const file = await forged(change)
  await expect(GaussianIndex.open(file)).rejects.toMatchObject({ name: 'UecError', code })
})

test('a full disk leaves the old file and nothing else', async () => {
  const file = await forged(() => {})
  const before = await readFile(file)
  const handle = await open(file)
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  for (const call of ['writeFile', 'write', 'sync'] as const) {
    vi.spyOn(prototype, call).mockRejectedValue(full)
    using index = new GaussianIndex({ dimension: 2 })
    await index.add(['new', 'rows'], rows)
    await expect(index.save(file)).rejects.toMatchObject({ code: 'ERR_FILE_WRITE', cause: full })
    vi.restoreAllMocks()
    expect(await readFile(file)).toEqual(before)
    expect(await readdir(folder)).toEqual(['forged.uec'])
  }
})

test('an id may begin with a byte order mark', async () => {
  const file = join(folder, 'forged.uec')
  using index = new GaussianIndex({ dimension: 2 })
  await index.add(['\ufeffa', 'a'], rows)
  await index.save(file)
  using opened = await GaussianIndex.open(file)
  expect(opened.ids()).toEqual(['\ufeffa', 'a'])
})
