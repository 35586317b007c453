import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, type Posterior } from '../src/index.ts'
import { tiny } from './paths.ts'

const TEXTS = Array.from(
  { length: 40 },
  (_, i) => `a sentence with number ${i} and the number ${i * i} in it`,
)

let folder: string
let posterior: Posterior
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-bake-'))
  await using encoder = await Encoder.load(tiny('bert-ts17'))
  posterior = await encoder.fit(TEXTS)
})
afterAll(() => rm(folder, { recursive: true }))

describe.each(['plain', 'first-order'] as const)('a baked file, tail %s', (tail) => {
  it('is an encoder that gives what the posterior in memory gives', async () => {
    await using plain = await Encoder.load(tiny('bert-ts17'))
    const fitted = await plain.fit(TEXTS, { tail })
    const directory = join(folder, tail)
    await cp(tiny('bert-ts17'), directory, { recursive: true })
    await plain.bake(join(directory, 'onnx', 'model.onnx'), fitted)
    await using memory = await Encoder.load(tiny('bert-ts17'), { posterior: fitted })
    await using file = await Encoder.load(directory)
    expect(file.fitted).toBe(true)
    const [a, b] = [await memory.embed(TEXTS), await file.embed(TEXTS)]
    expect(b.mean).toEqual(a.mean)
    expect(b.variance).toEqual(a.variance)
    expect(b.norms).toEqual(a.norms)
  })
})

describe('bake', () => {
  it('is read by onnxruntime-node as it is', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node')
    await using encoder = await Encoder.load(tiny('bert-ts17'), { posterior })
    const file = join(folder, 'baked.onnx')
    await encoder.bake(file)
    const session = await InferenceSession.create(file)
    expect(session.outputNames).toEqual(
      expect.arrayContaining(['last_hidden_state', 'mean', 'variance', 'norm']),
    )
    const reference = await readFile(join(tiny('bert-ts17'), 'reference.json'), 'utf8')
    const { texts } = JSON.parse(reference) as { texts: { text: string; input_ids: number[] }[] }
    const expected = await encoder.embed(texts.map(({ text }) => text))
    for (const [i, { input_ids: ids }] of texts.entries()) {
      const feed = (values: number[]) =>
        new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
      const out = await session.run({
        input_ids: feed(ids),
        attention_mask: feed(ids.map(() => 1)),
        token_type_ids: feed(ids.map(() => 0)),
      })
      const [mean, variance] = [out.mean!.data as Float32Array, out.variance!.data as Float32Array]
      mean.forEach((x, d) => {
        expect(Math.abs(x - expected.at(i).mean[d]!)).toBeLessThan(1e-5)
      })
      variance.forEach((v, d) => {
        expect(Math.abs(v / expected.at(i).variance[d]! - 1)).toBeLessThan(1e-4)
      })
    }
    await session.release()
  })

  it('needs a posterior', async () => {
    await using encoder = await Encoder.load(tiny('bert-ts17'))
    await expect(encoder.bake(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'ERR_NOT_FITTED' })
  })

  it('refuses a posterior of another encoder, and writes nothing', async () => {
    await using encoder = await Encoder.load(tiny('bert-ts14'))
    const before = await readdir(folder)
    await expect(encoder.bake(join(folder, 'other.onnx'), posterior)).rejects.toMatchObject({
      code: 'ERR_POSTERIOR_MISMATCH',
    })
    await expect(encoder.bake(join(folder, 'no', 'folder.onnx'), posterior)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_/),
    })
    expect(await readdir(folder)).toEqual(before)
  })
})
