// Process-wide settings, each in a process of its own.
import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { capabilities, configure } from '../src/index.ts'
import { MINILM, root } from './paths.ts'

function lines(script: string, env: NodeJS.ProcessEnv = {}) {
  const source = `
    import { capabilities, configure, Encoder, GaussianBatch, similarity } from 'uec'
    const code = (work) => Promise.resolve().then(work).then(() => 'done', (error) => error.code)
    const batch = new GaussianBatch({ mean: Float32Array.of(1, 0), variance: new Float32Array(2), dimension: 2 })
    const load = (options) => Encoder.load(${JSON.stringify(MINILM)}, options)
    ${script}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}

it('says what computes, and what ONNX Runtime once it is loaded', () => {
  expect(
    lines(`
      const { native, simd, threads, runtime } = capabilities()
      console.log(native, Array.isArray(simd), threads >= 1, runtime)
      const encoder = await load()
      console.log(capabilities().runtime === encoder.info.runtime)`),
  ).toEqual(['true true true undefined', 'true'])
})

it('sets the threads before first use, and not after it', () => {
  expect(
    lines(`
      configure({ threads: 3 })
      await similarity(batch, batch)
      console.log(capabilities().threads, await code(() => configure({ threads: 3 })))
      console.log(await code(() => configure({ threads: 1 })), capabilities().threads)
      console.log((await load()).info.threads, (await load({ threads: 1 })).info.threads)`),
  ).toEqual(['3 done', 'ERR_INVALID_ARGUMENT 3', '3 1'])
})

it('loads the ONNX Runtime that it is told to, or none', () => {
  expect(
    lines(`
      configure({ runtime: '/nowhere/libonnxruntime.so' })
      console.log(await code(load))`),
  ).toEqual(['ERR_RUNTIME_NOT_FOUND'])
})

it.each([{ threads: 0 }, { threads: 1.5 }, { threads: 1e6 }, { runtime: 3 }, { thread: 1 }, null, 'threads'])(
  'refuses to be configured with %j',
  (options) => {
    const before = capabilities()
    expect(() => configure(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    expect(capabilities()).toEqual(before)
  },
)

it('takes nothing for no change', () => {
  configure({})
  configure(undefined as never)
})
