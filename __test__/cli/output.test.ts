import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { AtomicFile, writeAtomically } from '../../src/cli/output/atomic.ts'
import { readFloats, SafetensorsWriter, writeSafetensors } from '../../src/cli/output/safetensors.ts'
import { temporaryFolder } from './temporary.ts'

test('a safetensors file is laid out as the format says', async () => {
  const path = join(temporaryFolder(), 'new', 'a.safetensors')
  const writer = await SafetensorsWriter.create(path)
  const batch = (from: number) => ({
    mean: { values: Float32Array.of(from, from + 1, from + 2, from + 3), shape: [2] },
    valid: { values: Uint8Array.of(1, 0), shape: [] },
    weights: { values: Float32Array.of(from / 8, from / 4), shape: [1] },
  })
  await writer.append(2, batch(1))
  await writer.append(2, batch(5))
  expect(existsSync(path)).toBe(false)
  await writer.finish({ model: 'größe' })
  await writer.dispose()

  const file = readFileSync(path)
  const headerLength = Number(file.readBigUInt64LE(0))
  const header = file.toString('utf8', 8, 8 + headerLength)
  expect((8 + headerLength) % 8).toBe(0)
  expect(header.startsWith('{')).toBe(true)
  expect(header.trimEnd().endsWith('}')).toBe(true)
  // Offsets are relative to the end of the header, follow each other without holes, and end where the file does.
  expect(JSON.parse(header)).toEqual({
    __metadata__: { model: 'größe' },
    mean: { dtype: 'F32', shape: [4, 2], data_offsets: [0, 32] },
    valid: { dtype: 'U8', shape: [4], data_offsets: [32, 36] },
    weights: { dtype: 'F32', shape: [4, 1], data_offsets: [36, 52] },
  })
  expect(file.length).toBe(8 + headerLength + 52)
  const data = file.subarray(8 + headerLength)
  expect(Array.from({ length: 8 }, (_, i) => data.readFloatLE(4 * i))).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect([...data.subarray(32, 36)]).toEqual([1, 0, 1, 0])
  expect(readdirSync(dirname(path))).toEqual(['a.safetensors'])
})

test('what is written is read again, and no rows are a file too', async () => {
  const path = join(temporaryFolder(), 'a.safetensors')
  const values = Float32Array.of(0.1, -2, 3e-8, Number.MAX_VALUE)
  await writeSafetensors(path, 2, { mean: { values, shape: [2] } })
  expect(await readFloats(path)).toEqual({ mean: { values, shape: [2, 2] } })
  await writeSafetensors(path, 0, { mean: { values: new Float32Array(), shape: [2] } })
  expect(await readFloats(path)).toEqual({ mean: { values: new Float32Array(), shape: [0, 2] } })
})

test('a file that Python wrote is read', async () => {
  const path = fileURLToPath(new URL('../fixtures/golden/posterior.safetensors', import.meta.url))
  const tensors = await readFloats(path)
  expect(tensors?.H?.shape).toEqual([384, 1536])
  expect(tensors?.mu?.shape).toEqual([24, 384])
  // Unit vectors in float32.
  const norm = Math.hypot(...tensors!.mu!.values.subarray(0, 384))
  expect(Math.abs(norm - 1)).toBeLessThan(1e-6)
})

test('a missing or cut-off file is undefined', async () => {
  const path = join(temporaryFolder(), 'a.safetensors')
  expect(await readFloats(path)).toBeUndefined()
  await writeSafetensors(path, 2, { mean: { values: new Float32Array(4), shape: [2] } })
  writeFileSync(path, readFileSync(path).subarray(0, -1))
  expect(await readFloats(path)).toBeUndefined()
})

test('rows that do not fit their tensor are a RangeError, and nothing is left', async () => {
  const folder = temporaryFolder()
  const values = new Float32Array(3)
  await expect(
    writeSafetensors(join(folder, 'a.safetensors'), 2, { mean: { values, shape: [2] } }),
  ).rejects.toThrow(RangeError)
  expect(readdirSync(folder)).toEqual([])
})

test('a discarded file leaves what was there', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'a')
  await writeAtomically(path, 'old')
  const file = await AtomicFile.create(path)
  await file.handle.writeFile('half of the n')
  await file.discard()
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect(readdirSync(folder)).toEqual(['a'])
})
