// What an ensemble's directory holds, and whether it is found out where that is no longer so.
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyEnsemble } from '../src/ensemble-verify.ts'
import { Encoder, Ensemble } from '../src/index.ts'
import { copySettings } from '../src/model-settings.ts'
import { packageVersion } from '../src/runtime.ts'
import { tiny } from './paths.ts'

const TEXTS = Array.from({ length: 32 }, (_, i) => `a text with number ${i} and ${i * i} in it`)

let folder: string
/** The second has its weights in a file beside it, in a folder that may not be written to. */
let members: Encoder[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-directory-'))
  const readonly = join(folder, 'readonly')
  await cp(tiny('bert-external'), readonly, { recursive: true })
  await chmod(join(readonly, 'onnx'), 0o555)
  members = await Promise.all(
    [tiny('bert-ts17'), readonly].map(async (path) => {
      await using plain = await Encoder.load(path)
      return Encoder.load(path, { posterior: await plain.fit(TEXTS) })
    }),
  )
})
afterAll(async () => {
  await Promise.all(members.map((member) => member.dispose()))
  await chmod(join(folder, 'readonly', 'onnx'), 0o755)
  await rm(folder, { recursive: true })
})

async function saved(name: string): Promise<{ directory: string; file: string; content: string }> {
  await using ensemble = await Ensemble.load(members)
  const directory = join(folder, name)
  await ensemble.save(directory)
  const file = join(directory, 'ensemble.json')
  return { directory, file, content: await readFile(file, 'utf8') }
}

const verify = (directory: string) => verifyEnsemble(directory, {}, new AbortController().signal)

describe('a directory', () => {
  it('holds weights that lie beside a model, and serves without the model', async () => {
    const { directory } = await saved('external')
    await using before = await Ensemble.load(members)
    const moved = join(folder, 'moved')
    await cp(directory, moved, { recursive: true })
    await rm(directory, { recursive: true })
    await using ensemble = await Ensemble.load(moved)
    expect(ensemble.fingerprint).toBe(before.fingerprint)
    const [a, b] = [await before.embed(TEXTS), await ensemble.embed(TEXTS)]
    expect(Math.max(...a.mean.map((x, i) => Math.abs(x - b.mean[i]!)))).toBeLessThan(1e-5)
    // A directory that was loaded is saved like one that was made.
    const again = join(folder, 'again')
    await ensemble.save(again)
    expect(await verify(again)).toEqual([])
    await using twice = await Ensemble.load(again)
    expect(twice.fingerprint).toBe(before.fingerprint)
  })

  it('says what wrote it, what each member is, and what each file must be', async () => {
    const { directory, content } = await saved('described')
    const { version, uec, members: listed, files } = JSON.parse(content)
    expect([version, uec]).toEqual([2, packageVersion])
    expect(listed.map((member: { name: string }) => member.name)).toEqual(['bert-ts17', 'readonly'])
    for (const [k, member] of listed.entries()) {
      expect(member).toMatchObject({ path: `members/${k}`, dimension: 32, tail: 'plain' })
      expect(member.fingerprint).toBe(members[k]!.identity)
      expect(member.priorPrecision).toBeGreaterThan(0)
      expect(member.scale).toBeGreaterThan(0)
    }
    expect(Object.keys(files)).toContain('members/1/onnx/model.onnx_data')
    for (const [name, { bytes }] of Object.entries<{ bytes: number }>(files))
      expect((await stat(join(directory, name))).size, name).toBe(bytes)
    expect(content).not.toContain(folder)
  })

  it('of version 1 is read', async () => {
    const { directory, file, content } = await saved('old')
    const { format, members: listed, coefficients, temperature, normalize } = JSON.parse(content)
    const old = listed.map(({ path, fingerprint }: { path: string; fingerprint: string }) => ({
      path,
      fingerprint,
    }))
    await writeFile(
      file,
      JSON.stringify({ format, version: 1, members: old, coefficients, temperature, normalize }),
    )
    await using loaded = await Ensemble.load(directory)
    await using before = await Ensemble.load(members)
    expect(loaded.fingerprint).toBe(before.fingerprint)
    expect(await verify(directory)).toEqual([])
  })

  it('with a member described wrongly is ERR_FILE_CORRUPT', async () => {
    const { directory, file, content } = await saved('odd-members')
    const stored = JSON.parse(content)
    for (const wrong of [
      { name: 3 },
      { tail: {} },
      { dimension: '32' },
      { priorPrecision: null },
      { scale: '\u001b[31m' },
    ]) {
      const [first, second] = stored.members
      await writeFile(file, JSON.stringify({ ...stored, members: [first, { ...second, ...wrong }] }))
      await expect(Ensemble.load(directory), JSON.stringify(wrong)).rejects.toMatchObject({
        code: 'ERR_FILE_CORRUPT',
      })
    }
  })

  it('with files listed wrongly is ERR_FILE_CORRUPT', async () => {
    const { directory, file, content } = await saved('listed')
    for (const files of [3, null, { a: 3 }, { a: { bytes: 1.5, sha256: '' } }, { a: { bytes: 1 } }]) {
      await writeFile(file, JSON.stringify({ ...JSON.parse(content), files }))
      await expect(Ensemble.load(directory), JSON.stringify(files)).rejects.toMatchObject({
        code: 'ERR_FILE_CORRUPT',
      })
    }
    for (const files of [{ '../../elsewhere': { bytes: 1, sha256: '' } }]) {
      await writeFile(file, JSON.stringify({ ...JSON.parse(content), files }))
      await expect(verify(directory)).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
    }
  })
})

describe('verify', () => {
  it('finds nothing in a whole one', async () => {
    expect(await verify((await saved('whole')).directory)).toEqual([])
  })

  it('names every file that is missing, cut off or changed', async () => {
    const { directory } = await saved('broken')
    await rm(join(directory, 'members/0/tokenizer.json'))
    const weights = join(directory, 'members/1/onnx/model.onnx_data')
    const bytes = await readFile(weights)
    bytes[100]! ^= 1
    await writeFile(weights, bytes)
    const config = join(directory, 'members/1/config.json')
    await writeFile(config, (await readFile(config)).subarray(1))
    const problems = (await verify(directory)).join('\n')
    expect(problems).toMatch(/members\/0\/tokenizer.json is missing/)
    expect(problems).toMatch(/members\/1\/onnx\/model.onnx_data is not the file that was saved/)
    expect(problems).toMatch(/members\/1\/config.json has \d+ bytes instead of \d+/)
    expect(problems).toMatch(/member 0: .*tokenizer/)
  })

  it('names a file that lies elsewhere', async () => {
    const { directory } = await saved('linked')
    const weights = join(directory, 'members/1/onnx/model.onnx_data')
    await rename(weights, join(folder, 'weights'))
    await symlink(join(folder, 'weights'), weights)
    expect((await verify(directory))[0]).toMatch(/members\/1\/onnx\/model.onnx_data is a link out of the/)
    const beside = join(folder, 'link-to-whole')
    await symlink((await saved('whole-linked')).directory, beside)
    expect(await verify(beside)).toEqual([])
  })

  it('names a member that is another encoder', async () => {
    const { directory, file, content } = await saved('swapped')
    await writeFile(file, content.replace('members/0', 'members/1'))
    expect(await verify(directory)).toEqual([
      expect.stringMatching(/^member 0: it is not the encoder that the ensemble was saved with/),
    ])
  })

  it('is an error where there is no ensemble', async () => {
    await expect(verify(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })
})

it('the settings of a model are its files and the folders of its modules', async () => {
  const [from, to] = [join(folder, 'model'), join(folder, 'elsewhere', 'copy')]
  await mkdir(join(from, '2_Dense', 'inner'), { recursive: true })
  await mkdir(join(from, '0_Transformer'))
  const modules = [
    { type: 'sentence_transformers.models.Transformer', path: '0_Transformer' },
    { type: 'sentence_transformers.models.Pooling', path: '1_Pooling' },
    { type: 'sentence_transformers.models.Dense', path: '2_Dense' },
    { type: 'sentence_transformers.models.Normalize', path: '' },
    { type: 'sentence_transformers.models.Dense', path: '../secret' },
  ]
  await writeFile(join(from, 'modules.json'), JSON.stringify(modules))
  await writeFile(join(from, '2_Dense', 'inner', 'weights'), 'w')
  await writeFile(join(from, '0_Transformer', 'pytorch_model.bin'), 'large')
  await writeFile(join(from, 'tokenizer.json'), '{}')
  await mkdir(join(folder, 'secret'))
  await writeFile(join(folder, 'secret', 'key'), 'k')
  await copySettings(from, to)
  expect(await readFile(join(to, '2_Dense', 'inner', 'weights'), 'utf8')).toBe('w')
  expect(await readFile(join(to, 'tokenizer.json'), 'utf8')).toBe('{}')
  await expect(stat(join(to, '0_Transformer'))).rejects.toThrow()
  await expect(stat(join(folder, 'elsewhere', 'secret'))).rejects.toThrow()
})

it.each(['{', '3', '[null, 3]'])(
  'the settings of a model whose modules.json is %s are its files',
  async (content) => {
    const [from, to] = [join(folder, 'odd'), join(folder, 'odd-copy')]
    await mkdir(from, { recursive: true })
    await writeFile(join(from, 'modules.json'), content)
    await copySettings(from, to)
    expect(await readdir(to)).toEqual(['modules.json'])
  },
)
