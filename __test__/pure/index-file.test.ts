/** Faults of the disk and of other writers, which only a file made by hand can show. */

import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { GaussianBatch, GaussianIndex, type IndexOptions } from '../../src/pure/index.ts'
import { seal, sealHeader } from './forge.ts'

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

/** A sound file of two rows 'a' and 'b'. */
async function sound(options: Omit<IndexOptions, 'dimension'> = {}): Promise<Buffer> {
  using index = new GaussianIndex({ dimension: 2, fingerprint: 'f', ...options })
  await index.add(['a', 'b'], rows)
  await index.save(join(folder, 'forged.uec'))
  return readFile(join(folder, 'forged.uec'))
}

async function opened(bytes: Buffer): Promise<GaussianIndex> {
  await writeFile(join(folder, 'forged.uec'), bytes)
  return GaussianIndex.open(join(folder, 'forged.uec'), { readonly: true })
}

const sections = (bytes: Buffer) =>
  Array.from({ length: 10 }, (_, i) => [48, 56].map((at) => Number(bytes.readBigUInt64LE(at + 16 * i))))

test('the layout is the documented one', async () => {
  const bytes = await sound()
  expect(bytes.toString('latin1', 0, 8)).toBe('UECINDEX')
  expect([8, 12, 16, 20, 40].map((at) => bytes.readUInt32LE(at))).toEqual([2, 0, 2, 1, 1])
  expect([24, 32].map((at) => Number(bytes.readBigUInt64LE(at)))).toEqual([2, 592])
  const [none, places] = [[0, 0], sections(bytes)]
  expect(places.slice(0, 5)).toEqual([[320, 1], [384, 8], [448, 2], none, none])
  expect(places.slice(5)).toEqual([[512, 16], [576, 16], none, none, none])
  expect(bytes).toHaveLength(592)
  expect(bytes.toString('utf8', 320, 321)).toBe('f')
  expect(bytes.toString('hex', 384, 392)).toBe('0100000001000000')
  expect(bytes.toString('utf8', 448, 450)).toBe('ab')
  expect([512, 516, 520, 524].map((at) => bytes.readFloatLE(at))).toEqual([1, 0, 0, 1])
  expect([576, 580, 584, 588].map((at) => bytes.readFloatLE(at))).toEqual([0, 0.5, 0.25, 0])
  expect(seal(Buffer.from(bytes)), 'the checksums are right').toEqual(bytes)
})

test('the layout of an index without rows or fingerprint is the header alone', async () => {
  using index = new GaussianIndex({ dimension: 2 })
  await index.save(join(folder, 'forged.uec'))
  const bytes = await readFile(join(folder, 'forged.uec'))
  expect(bytes).toHaveLength(256)
  expect(sections(bytes)).toEqual(Array(10).fill([0, 0]))
  using again = await opened(bytes)
  expect([again.size, again.fingerprint]).toEqual([0, undefined])
})

test('the layout with scales, and with a prefilter', async () => {
  const int8 = await sound({ storage: 'int8' })
  expect([12, 20].map((at) => int8.readUInt32LE(at))).toEqual([2, 1])
  expect(sections(int8).slice(3)).toEqual([
    ...[512, 576].map((at) => [at, 8]),
    ...[640, 704].map((at) => [at, 4]),
    ...Array(3).fill([0, 0]),
  ])
  expect(int8.readFloatLE(512)).toBe(Math.fround(1 / 127))
  expect(int8.readFloatLE(576)).toBe(Math.fround(0.5 / 255))
  expect([...int8.subarray(640, 644)]).toEqual([127, 0, 0, 127])
  expect([...int8.subarray(704, 708)]).toEqual([0, 255, 255, 0])
  const prefilter = await sound({ prefilter: 'int8' })
  expect([12, 20].map((at) => prefilter.readUInt32LE(at))).toEqual([0, 3])
  expect(sections(prefilter).slice(7)).toEqual([
    [640, 4],
    [704, 8],
    [768, 8],
  ])
  expect([...prefilter.subarray(640, 644)]).toEqual([127, 0, 0, 127])
})

const float16: IndexOptions = { dimension: 2, storage: 'float16' }
const int8: IndexOptions = { dimension: 2, storage: 'int8' }
const prefilter: IndexOptions = { dimension: 2, prefilter: 'int8' }

test.each<[string, string, (bytes: Buffer) => unknown, IndexOptions?]>([
  ['the version before', 'ERR_FILE_VERSION', (bytes) => bytes.writeUInt32LE(1, 8)],
  ['a newer version', 'ERR_FILE_VERSION', (bytes) => bytes.writeUInt32LE(3, 8)],
  ['another storage', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(3, 12)],
  ['dimension 0', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(0, 16)],
  ['unknown flags', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(5, 20)],
  ['the flag of a prefilter that it has not', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(3, 20)],
  ['a prefilter of int8 rows', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(3, 20), int8],
  ['a fingerprint and no flag', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(0, 20)],
  ['more rows than bytes', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeBigUInt64LE(2n ** 31n, 24)],
  ['2⁶⁴ − 1 rows', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeBigUInt64LE(2n ** 64n - 1n, 24)],
  ['another length', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeBigUInt64LE(593n, 32)],
  ['zeros that are none', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(1, 240)],
  ['a huge id section', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeBigUInt64LE(2n ** 62n, 88)],
  ['a shifted section', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeBigUInt64LE(320n, 64)],
  ['a gap that is not zero', 'ERR_FILE_CORRUPT', (bytes) => bytes.fill(1, 330, 331)],
  ['the same id twice', 'ERR_FILE_CORRUPT', (bytes) => bytes.write('a', 449)],
  ['an id that is no text', 'ERR_FILE_CORRUPT', (bytes) => bytes.fill(0xff, 448, 449)],
  ['a fingerprint that is no text', 'ERR_FILE_CORRUPT', (bytes) => bytes.fill(0xff, 320, 321)],
  ['ids of a wrong length', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt32LE(2, 384)],
  ['a mean of NaN', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(Number.NaN, 512)],
  ['a row of zeros', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(0, 512)],
  ['a negative variance', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(-1, 576)],
  ['an infinite float16', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt16LE(0x7c00, 640), float16],
  ['a float16 of NaN', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt16LE(0x7e01, 642), float16],
  ['a negative float16 variance', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeUInt16LE(0x8001, 704), float16],
  ['a scale of 0', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(0, 512), float16],
  ['a scale below 2⁻¹²⁶', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(1e-40, 512), int8],
  ['a float16 scale of 3', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(3, 512), float16],
  ['an infinite scale', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(Infinity, 576), int8],
  ['a scale that overflows', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(3e38, 512), int8],
  ['the code −128', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeInt8(-128, 640), int8],
  ['a prefilter code of −128', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeInt8(-128, 640), prefilter],
  ['a negative prefilter scale', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(-1, 704), prefilter],
  ['an error of NaN', 'ERR_FILE_CORRUPT', (bytes) => bytes.writeFloatLE(Number.NaN, 768), prefilter],
])('a file with %s and right checksums is refused', async (_, code, change, options) => {
  const bytes = await sound(options)
  change(bytes)
  await expect(opened(seal(bytes))).rejects.toMatchObject({ name: 'UecError', code })
})

test('verify finds an int8 copy of other rows', async () => {
  const bytes = await sound({ prefilter: 'int8' })
  using before = await opened(bytes)
  await before.verify()
  bytes.writeInt8(126, 640)
  using after = await opened(seal(bytes))
  await expect(after.verify()).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
})

test('bytes behind the table that are not zero are refused', async () => {
  const bytes = await sound()
  bytes[300] = 1
  await expect(opened(sealHeader(bytes, 320))).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
})

test.each(['float32', 'float16', 'int8'] as const)(
  'each flipped bit and each cut of a file of %s is found',
  async (storage) => {
    const bytes = await sound({ storage })
    for (let at = 0; at < bytes.length; at += storage === 'float32' ? 1 : 11) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      const code = at >= 8 && at < 12 ? 'ERR_FILE_VERSION' : 'ERR_FILE_CORRUPT'
      await expect(opened(flipped), `byte ${at}`).rejects.toMatchObject({ code })
      if (at % 7 > 0) continue
      const cut = opened(bytes.subarray(0, at))
      await expect(cut, `cut at ${at}`).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
    }
    using again = await opened(bytes)
    expect(again.ids()).toEqual(['a', 'b'])
  },
)

test('files of several blocks of checksums', async () => {
  const [n, dimension] = [3000, 64]
  const numbers = Float32Array.from({ length: n * dimension }, (_, i) => (i % 251) / 251 + 0.001)
  const many = new GaussianBatch({ mean: numbers, variance: numbers, dimension })
  const file = join(folder, 'blocks.uec')
  using index = new GaussianIndex({ dimension })
  const ids = Array.from({ length: n }, (_, i) => `id ${i}`)
  await index.add(ids, many)
  await index.save(file)
  const bytes = await readFile(file)
  expect(bytes.readUInt32LE(40)).toBe(2)
  expect(seal(Buffer.from(bytes))).toEqual(bytes)
  using again = await opened(bytes)
  expect(again.ids()).toEqual(ids)
  for (const row of [0, 1, 2047, 2048, 2999]) expect(again.get(`id ${row}`)).toEqual(many.at(row))
  bytes[bytes.length - 1]! ^= 1
  await expect(opened(bytes)).rejects.toThrow(/block 1/)
})

test('a full disk leaves the old file and nothing else', async () => {
  const before = await sound()
  const names = await readdir(folder)
  const handle = await open(join(folder, 'forged.uec'))
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  for (const call of ['write', 'sync'] as const) {
    vi.spyOn(prototype, call).mockRejectedValue(full)
    using index = new GaussianIndex({ dimension: 2 })
    await index.add(['new', 'rows'], rows)
    const saving = index.save(join(folder, 'forged.uec'))
    await expect(saving).rejects.toMatchObject({ code: 'ERR_FILE_WRITE', cause: full })
    vi.restoreAllMocks()
    expect(await readFile(join(folder, 'forged.uec'))).toEqual(before)
    expect(await readdir(folder)).toEqual(names)
  }
})

test('an id may begin with a byte order mark', async () => {
  const file = join(folder, 'forged.uec')
  using index = new GaussianIndex({ dimension: 2 })
  await index.add(['\ufeffa', 'a'], rows)
  await index.save(file)
  using again = await GaussianIndex.open(file, { readonly: true })
  expect(again.ids()).toEqual(['\ufeffa', 'a'])
})
