import { open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { GaussianBatch, GaussianIndex } from '../../src/pure/index.ts'

const file = join(tmpdir(), `uec-journal-${process.pid}.uec`)
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(file, { force: true })
  await rm(`${file}.journal`, { force: true })
})

const row = new GaussianBatch({ mean: Float32Array.of(1), variance: Float32Array.of(0), dimension: 1 })

async function prototype() {
  const handle = await open(file)
  await handle.close()
  return Object.getPrototypeOf(handle) as typeof handle
}

test.each(['write', 'datasync'] as const)(
  'a change that does not get to the disk (%s) has not happened, and the next one does',
  async (call) => {
    using made = new GaussianIndex({ dimension: 1 })
    await made.save(file)
    using index = await GaussianIndex.open(file)
    await index.add(['a'], row)
    const before = await readFile(`${file}.journal`)
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    vi.spyOn(await prototype(), call).mockRejectedValue(full)
    await expect(index.add(['b'], row)).rejects.toMatchObject({ code: 'ERR_FILE_WRITE', cause: full })
    await expect(index.remove(['a'])).rejects.toMatchObject({ code: 'ERR_FILE_WRITE' })
    expect(index.ids()).toEqual(['a'])
    vi.restoreAllMocks()
    expect(await index.remove(['unknown'])).toBe(0)
    await index.add(['c'], row)
    using reader = await GaussianIndex.open(file, { readonly: true })
    expect(reader.ids()).toEqual(['a', 'c'])
    await index.remove(['c'])
    await index.save(file)
    expect(before.length).toBeGreaterThan(64)
  },
)

test('a journal that cannot be written is no reason to call the file damaged', async () => {
  using made = new GaussianIndex({ dimension: 1 })
  await made.save(file)
  const denied = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  vi.spyOn(await prototype(), 'sync').mockRejectedValue(denied)
  await expect(GaussianIndex.open(file)).rejects.toMatchObject({ code: 'ERR_FILE_WRITE', cause: denied })
  vi.restoreAllMocks()
  using index = await GaussianIndex.open(file)
  expect(index.size).toBe(0)
})

test('rows that the caller overwrites during the call do no harm to the file', async () => {
  using made = new GaussianIndex({ dimension: 1 })
  await made.save(file)
  using index = await GaussianIndex.open(file)
  const rows = new GaussianBatch({ mean: Float32Array.of(1), variance: Float32Array.of(0), dimension: 1 })
  const handle = await prototype()
  const { write } = handle
  vi.spyOn(handle, 'write').mockImplementation(function (this: typeof handle, ...args: unknown[]) {
    rows.mean.fill(Number.NaN)
    return (write as (...args: unknown[]) => never).apply(this, args)
  })
  await index.add(['a'], rows)
  vi.restoreAllMocks()
  expect([...rows.mean]).toEqual([Number.NaN])
  using reader = await GaussianIndex.open(file, { readonly: true })
  expect([...reader.get('a')!.mean]).toEqual([1])
})
