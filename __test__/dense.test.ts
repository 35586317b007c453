/** Dense modules of a model directory: what is wrong with them is said, quickly, whatever the files claim. */
import { cp, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder } from '../src/index.ts'
import { tiny } from './paths.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-dense-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function copy(name = 'bert-dense'): Promise<string> {
  const target = join(await mkdtemp(join(folder, 'copy-')), name)
  await cp(tiny(name), target, { recursive: true })
  return target
}

const CONFIG = {
  in_features: 32,
  out_features: 16,
  bias: true,
  activation_function: 'torch.nn.modules.activation.Tanh',
}

/** A safetensors file. */
function tensors(list: Record<string, { shape: number[]; values: number[] }>): Buffer {
  let offset = 0
  const header = Object.entries(list).map(([name, { shape, values }]) => {
    const end = offset + 4 * values.length
    const entry = [name, { dtype: 'F32', shape, data_offsets: [offset, end] }]
    offset = end
    return entry
  })
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const data = Object.values(list).flatMap(({ values }) => values)
  return Buffer.concat([length, json, Buffer.from(Float32Array.from(data).buffer)])
}

const weight = { shape: [16, 32], values: Array.from({ length: 512 }, (_, i) => Math.sin(i)) }
const bias = { shape: [16], values: Array.from({ length: 16 }, (_, i) => i / 16) }

describe('a Dense module', () => {
  it('is applied behind the graph: f(W·mean + b), normalised', async () => {
    const reference = JSON.parse(await readFile(join(tiny('bert-dense'), 'reference.json'), 'utf8'))
    const texts = reference.texts as { text: string; embedding: number[] }[]
    await using encoder = await Encoder.load(tiny('bert-dense'))
    expect(encoder.info).toMatchObject({ dimension: 16, features: 32, norm: 'none' })
    const batch = await encoder.embed(texts.map(({ text }) => text))
    for (const [i, { embedding }] of texts.entries())
      embedding.forEach((x, d) => {
        expect(Math.abs(batch.at(i).mean[d]! - x)).toBeLessThan(1e-4)
      })
  })

  it('may be followed by another one', async () => {
    const directory = await copy()
    const modules = JSON.parse(await readFile(join(directory, 'modules.json'), 'utf8'))
    modules.splice(3, 0, { idx: 3, name: '3', path: '3_Dense', type: 'sentence_transformers.models.Dense' })
    await writeFile(join(directory, 'modules.json'), JSON.stringify(modules))
    await cp(join(directory, '2_Dense'), join(directory, '3_Dense'), { recursive: true })
    const identity = Array.from({ length: 3 * 16 }, (_, i) => (i % 17 === 0 ? 2 : 0))
    const config = { ...CONFIG, in_features: 16, out_features: 3, bias: false }
    config.activation_function = 'torch.nn.modules.linear.Identity'
    await writeFile(join(directory, '3_Dense', 'config.json'), JSON.stringify(config))
    await writeFile(
      join(directory, '3_Dense', 'model.safetensors'),
      tensors({ 'linear.weight': { shape: [3, 16], values: identity } }),
    )
    await using two = await Encoder.load(directory)
    await using one = await Encoder.load(tiny('bert-dense'), { dimensions: 3 })
    const texts = ['a boat', 'the lake at dawn']
    const [ours, theirs] = [await two.embed(texts), await one.embed(texts)]
    ours.mean.forEach((x, i) => {
      expect(Math.abs(x - theirs.mean[i]!)).toBeLessThan(1e-5)
    })
    expect(two.info).toMatchObject({ dimension: 3, features: 16 })
  })
})

describe('a damaged or malicious Dense module', () => {
  const huge = tensors({ 'linear.weight': weight, 'linear.bias': bias })
  huge.writeBigUInt64LE(1n << 62n)
  const cases: [string, Partial<typeof CONFIG> | string, Buffer | undefined, string, RegExp][] = [
    [
      'claims a huge layer',
      { in_features: 2 ** 40, out_features: 2 ** 40 },
      undefined,
      'ERR_MODEL_INVALID',
      /makes no sense/,
    ],
    ['claims a negative layer', { in_features: -1 }, undefined, 'ERR_MODEL_INVALID', /config\.json/],
    ['is not JSON', '<html>', undefined, 'ERR_MODEL_INVALID', /config\.json/],
    ['takes vectors of another length', { in_features: 31 }, undefined, 'ERR_MODEL_INVALID', /31/],
    [
      'has weights of another shape',
      { out_features: 8 },
      undefined,
      'ERR_MODEL_INVALID',
      /\[16, 32\]|more than/,
    ],
    [
      'has an unknown activation',
      { activation_function: 'torch.nn.SiLU' },
      undefined,
      'ERR_MODEL_UNSUPPORTED',
      /SiLU/,
    ],
    [
      'has code of its own',
      { activation_function: 'evil.Tanh' },
      undefined,
      'ERR_MODEL_UNSUPPORTED',
      /evil\.Tanh/,
    ],
    ['claims a huge header', {}, huge, 'ERR_MODEL_INVALID', /model\.safetensors/],
    ['is cut off', {}, huge.subarray(0, 100), 'ERR_MODEL_INVALID', /model\.safetensors/],
    ['is empty', {}, Buffer.alloc(0), 'ERR_MODEL_INVALID', /model\.safetensors/],
    ['has no bias', {}, tensors({ 'linear.weight': weight }), 'ERR_MODEL_INVALID', /linear\.bias/],
    [
      'has NaN among its weights',
      {},
      tensors({
        'linear.weight': { ...weight, values: weight.values.with(7, Number.NaN) },
        'linear.bias': bias,
      }),
      'ERR_MODEL_INVALID',
      /value 7 is NaN/,
    ],
  ]
  it.each(cases)('that %s is refused', async (_, config, weights, code, message) => {
    const directory = await copy()
    const content = typeof config === 'string' ? config : JSON.stringify({ ...CONFIG, ...config })
    await writeFile(join(directory, '2_Dense', 'config.json'), content)
    if (weights) await writeFile(join(directory, '2_Dense', 'model.safetensors'), weights)
    await expect(Encoder.load(directory)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  it('with weights of a terabyte is refused before they are read', async () => {
    const directory = await copy()
    await truncate(join(directory, '2_Dense', 'model.safetensors'), 2 ** 40)
    await expect(Encoder.load(directory)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' })
  })

  it('with pickled weights only says how to save them', async () => {
    const directory = await copy()
    await rm(join(directory, '2_Dense', 'model.safetensors'))
    await expect(Encoder.load(directory)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' })
    await writeFile(join(directory, '2_Dense', 'pytorch_model.bin'), 'PK')
    await expect(Encoder.load(directory)).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining('safetensors'),
    })
  })

  it.each(['../2_Dense', '/etc', '..'])('at the path %s is refused', async (path) => {
    const directory = await copy()
    const modules = JSON.parse(await readFile(join(directory, 'modules.json'), 'utf8'))
    modules[2].path = path
    await writeFile(join(directory, 'modules.json'), JSON.stringify(modules))
    await expect(Encoder.load(directory)).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: expect.stringContaining('leads out'),
    })
  })

  it('whose weights are a device is refused', async () => {
    const directory = await copy()
    await rm(join(directory, '2_Dense', 'model.safetensors'))
    await symlink('/dev/zero', join(directory, '2_Dense', 'model.safetensors'))
    await expect(Encoder.load(directory)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' })
  })
})
