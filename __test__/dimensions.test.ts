/** Matryoshka: the first entries of an embedding; and posteriors that were fitted on the original of a quantised copy. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Encoder, type Posterior } from '../src/index.ts'
import { tiny } from './paths.ts'

const TEXTS = Array.from({ length: 40 }, (_, i) => `a sentence with number ${i} and ${i * i} in it`)

let folder: string
let posterior: Posterior
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-dimensions-'))
  await using encoder = await Encoder.load(tiny('bert-ts17'))
  posterior = await encoder.fit(TEXTS)
})
afterAll(() => rm(folder, { recursive: true }))

it('keeps the first entries and brings them to length 1', async () => {
  await using whole = await Encoder.load(tiny('bert-ts17'), { posterior })
  await using cut = await Encoder.load(tiny('bert-ts17'), { posterior, dimensions: 8 })
  expect([cut.dimension, cut.info.dimension, cut.fitted]).toEqual([8, 8, true])
  expect(cut.fingerprint).toBe(whole.fingerprint)
  expect(cut.identity).not.toBe(whole.identity)
  const [all, first] = [await whole.embed(TEXTS), await cut.embed(TEXTS)]
  expect(first.dimension).toBe(8)
  for (const [i, { mean, variance }] of [...first].entries()) {
    const z = all.at(i).mean.subarray(0, 8)
    const length = Math.hypot(...z)
    mean.forEach((x, d) => {
      expect(Math.abs(x - z[d]! / length)).toBeLessThan(1e-5)
    })
    expect(variance.every((v) => v > 0)).toBe(true)
  }
})

it('is baked: the file needs no option, and none that contradicts it', async () => {
  const directory = join(folder, 'cut')
  await cp(tiny('bert-ts17'), directory, { recursive: true })
  await using cut = await Encoder.load(tiny('bert-ts17'), { dimensions: 8, posterior })
  await cut.bake(join(directory, 'onnx', 'model.onnx'))
  await using baked = await Encoder.load(directory)
  const [memory, file] = [await cut.embed(TEXTS), await baked.embed(TEXTS)]
  expect(file.mean).toEqual(memory.mean)
  expect(file.variance).toEqual(memory.variance)
  expect(baked.identity).toBe(cut.identity)
  await expect(Encoder.load(directory, { dimensions: 9 })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  })
})

it('refuses a posterior of fewer dimensions, with the remedy', async () => {
  await using cut = await Encoder.load(tiny('bert-ts17'), { dimensions: 8 })
  const short = await cut.fit(TEXTS)
  expect(short.dimension).toBe(8)
  for (const options of [{}, { dimensions: 9 }])
    await expect(Encoder.load(tiny('bert-ts17'), { ...options, posterior: short })).rejects.toMatchObject({
      code: 'ERR_POSTERIOR_MISMATCH',
      message: expect.stringContaining('dimensions: 8'),
    })
  await using fits = await Encoder.load(tiny('bert-ts17'), { dimensions: 8, posterior: short })
  expect(fits.fitted).toBe(true)
})

it('takes the posterior of the original where it is told so, and from nothing else', async () => {
  const quantised = tiny('bert-int8')
  await expect(Encoder.load(quantised, { posterior })).rejects.toMatchObject({
    code: 'ERR_POSTERIOR_MISMATCH',
    message: expect.stringContaining("fittedOn 'original'"),
  })
  await using encoder = await Encoder.load(quantised, { posterior, fittedOn: 'original' })
  expect((await encoder.embed(TEXTS)).variance.every((v) => v > 0)).toBe(true)
  for (const other of ['roberta-like', 'llama-last', 'bert-dense'])
    await expect(Encoder.load(tiny(other), { posterior, fittedOn: 'original' })).rejects.toMatchObject({
      code: 'ERR_POSTERIOR_MISMATCH',
      message: expect.stringContaining('no quantised copy'),
    })
})

it('bakes float16 weights, which are half as long and nearly the same', async () => {
  await using encoder = await Encoder.load(tiny('bert-ts17'), { posterior })
  for (const weights of ['float32', 'float16'] as const) {
    const directory = join(folder, weights)
    await cp(tiny('bert-ts17'), directory, { recursive: true })
    await encoder.bake(join(directory, 'onnx', 'model.onnx'), undefined, { weights })
  }
  await using whole = await Encoder.load(join(folder, 'float32'))
  await using half = await Encoder.load(join(folder, 'float16'))
  expect(whole.identity).toBe(encoder.identity)
  expect(half.identity).not.toBe(encoder.identity)
  const [a, b] = [await whole.embed(TEXTS), await half.embed(TEXTS)]
  expect(b.mean).toEqual(a.mean)
  expect(b.variance).not.toEqual(a.variance)
  const error = a.variance.map((v, i) => Math.abs(b.variance[i]! / v - 1))
  expect(Math.max(...error)).toBeLessThan(2e-3)
  await expect(
    half.bake(join(folder, 'again.onnx'), undefined, { weights: 'float32' }),
  ).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining('float16'),
  })
})

it.each([{ weights: 'int8' }, { weights: 16 }, { weight: 'float16' }, { signal: 1 }, null, 'float16'])(
  'bake refuses the options %j',
  async (options) => {
    await using encoder = await Encoder.load(tiny('bert-ts17'))
    await expect(encoder.bake(join(folder, 'never.onnx'), posterior, options as never)).rejects.toMatchObject(
      {
        code: 'ERR_INVALID_ARGUMENT',
      },
    )
  },
)
