// A disk that is full while something is saved: a coded error, the old file whole, nothing left beside it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, Ensemble, GaussianIndex } from '../src/index.ts'
import * as pure from '../src/pure/index.ts'
import { root, tiny } from './paths.ts'

const TEXTS = Array.from({ length: 64 }, (_, i) => `a text with number ${i} and ${i * i} in it`)

let folder: string
/** Whole files of before. */
let good: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'uec-full-'))
  good = join(folder, 'good')
  mkdirSync(good)
  await using encoder = await Encoder.load(tiny('bert-ts17'))
  const posterior = await encoder.fit(TEXTS)
  await posterior.save(join(good, 'posterior.safetensors'))
  await using fitted = await Encoder.load(tiny('bert-ts17'), { posterior })
  await fitted.bake(join(good, 'baked.onnx'))
  await (await Ensemble.load([fitted])).save(join(good, 'ensemble'))
  const index = new GaussianIndex({ dimension: 32 })
  await index.add(TEXTS, await fitted.embed(TEXTS))
  await index.save(join(good, 'native.uec'))
  const plain = new pure.GaussianIndex({ dimension: 32 })
  await plain.add(TEXTS, await fitted.embed(TEXTS))
  await plain.save(join(good, 'pure.uec'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Saves everything over the files in `target`, with `prefix` before the command; what each attempt ended with. */
function saveAll(target: string, prefix = ''): Record<string, string> {
  const script = `
    import { Encoder, Ensemble, GaussianIndex, Posterior } from 'uec'
    import * as pure from 'uec/pure'
    import { join } from 'node:path'
    const [good, target, model] = process.argv.slice(1)
    const posterior = await Posterior.load(join(good, 'posterior.safetensors'))
    const encoder = await Encoder.load(model, { posterior })
    const ensemble = await Ensemble.load([encoder])
    const index = await GaussianIndex.open(join(good, 'native.uec'), { readonly: true })
    const plain = await pure.GaussianIndex.open(join(good, 'pure.uec'), { readonly: true })
    const attempts = {
      'posterior.safetensors': (file) => posterior.save(file),
      'baked.onnx': (file) => encoder.bake(file),
      'ensemble': (file) => ensemble.save(file),
      'native.uec': (file) => index.save(file),
      'pure.uec': (file) => plain.save(file),
    }
    const ended = {}
    for (const [name, save] of Object.entries(attempts))
      ended[name] = await save(join(target, name)).then(() => 'saved', ({ name, code, message }) => \`\${name} \${code} \${message}\`)
    console.log(JSON.stringify(ended))`
  const { stdout, stderr, status } = spawnSync(
    'bash',
    [
      '-c',
      `${prefix} exec "$@"`,
      'bash',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      good,
      target,
      tiny('bert-ts17'),
    ],
    { cwd: root, encoding: 'utf8' },
  )
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

/** Every file below, with a hash of what is in it. */
function contents(directory: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(directory, name)
    found[name] = statSync(path).isDirectory()
      ? 'folder'
      : createHash('sha256').update(readFileSync(path)).digest('hex')
  }
  return found
}

function expectRefused(target: string, save: () => Record<string, string>): void {
  const before = contents(target)
  const ended = save()
  expect(Object.keys(ended)).toHaveLength(5)
  for (const [name, how] of Object.entries(ended)) {
    expect(how, name).toMatch(/^UecError ERR_FILE_WRITE /)
    expect(how, 'names the place').toContain(name)
  }
  expect(contents(target)).toEqual(before)
}

describe.skipIf(process.platform === 'win32')('saving', () => {
  it('works where there is room', () => {
    const target = join(folder, 'room')
    mkdirSync(target)
    expect(new Set(Object.values(saveAll(target)))).toEqual(new Set(['saved']))
    expect(Object.keys(contents(target))).toEqual(Object.keys(contents(good)))
  })

  it('stops where files may not grow beyond a limit, and the old files stay', () => {
    const target = join(folder, 'limit')
    cpSync(good, target, { recursive: true })
    expectRefused(target, () => saveAll(target, 'ulimit -f 4;'))
  })

  it('stops where the disk is full, and the old files stay', ({ skip }) => {
    const target = join(folder, 'disk')
    mkdirSync(target)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', target])
    if (mounted.status !== 0) skip('a full disk (mount is not allowed here)')
    try {
      cpSync(good, target, { recursive: true })
      fill(join(target, 'filler'))
      expectRefused(target, () => saveAll(target))
      rmSync(join(target, 'filler'))
      expect(new Set(Object.values(saveAll(target)))).toEqual(new Set(['saved']))
    } finally {
      spawnSync('umount', [target])
    }
    expect(existsSync(join(target, 'filler'))).toBe(false)
  })
})

/** Takes the room that is left, but for a page or two. */
function fill(file: string): void {
  for (const size of [1 << 20, 1 << 16, 1 << 12])
    try {
      while (true) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
    }
}
