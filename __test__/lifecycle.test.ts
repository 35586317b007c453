// What happens to the process: exits, crashes and worker threads in the middle of native work.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { MINILM, root } from './paths.ts'

const uec = pathToFileURL(join(root, 'dist', 'index.js')).href
const many = `Array.from({ length: 2000 }, (_, i) => 'a sentence that takes a moment, number ' + i)`
const start = `
  const { Encoder } = await import(${JSON.stringify(uec)})
  const encoder = await Encoder.load(${JSON.stringify(MINILM)}, { threads: 1 })
  encoder.embed(${many}).catch(() => {});
`

function node(script: string) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  )
  return { status, signal, stdout, stderr }
}

describe('the process', () => {
  it('exits in the middle of an embed with its own code and no noise', () => {
    for (let i = 0; i < 3; i++)
      expect(node(`${start} setTimeout(() => process.exit(7), ${150 + 60 * i})`)).toEqual({
        status: 7,
        signal: null,
        stdout: '',
        stderr: '',
      })
  })

  it('dies of an uncaught error as Node does', () => {
    const { status, signal, stderr } = node(
      `${start} setTimeout(() => { throw new Error('uncaught here') }, 200)`,
    )
    expect([status, signal]).toEqual([1, null])
    expect(stderr).toContain('uncaught here')
    expect(stderr).not.toContain('onnxruntime')
  })

  it('survives workers that are terminated in the middle of an embed', () => {
    const code = `${start} (await import('node:worker_threads')).parentPort.postMessage('running')`
    const worker = `data:text/javascript,${encodeURIComponent(code)}`
    const script = `
      import { Worker } from 'node:worker_threads'
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(new URL(${JSON.stringify(worker)}))
        await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
        await new Promise((resolve) => setTimeout(resolve, 100))
        await worker.terminate()
      }
      console.log('survived')
    `
    expect(node(script)).toMatchObject({ status: 0, signal: null, stdout: 'survived\n' })
  })

  it('goes on in the main thread when a worker ends', () => {
    const worker = `data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(uec)})`)}`
    const script = `
      import { Worker } from 'node:worker_threads'
      const { Encoder } = await import(${JSON.stringify(uec)})
      const encoder = await Encoder.load(${JSON.stringify(MINILM)}, { threads: 1 })
      const running = encoder.embed(${many}.slice(0, 100))
      await new Promise((resolve) => new Worker(new URL(${JSON.stringify(worker)})).once('exit', resolve))
      console.log((await running).length)
    `
    expect(node(script)).toEqual({ status: 0, signal: null, stdout: '100\n', stderr: '' })
  })

  it('ends by itself when nothing is left to do', () => {
    const script = `
      const { Encoder, GaussianIndex } = await import(${JSON.stringify(uec)})
      const encoder = await Encoder.load(${JSON.stringify(MINILM)})
      const index = new GaussianIndex({ dimension: encoder.dimension })
      await index.add(['a'], await encoder.embed(['a']))
      console.log(index.size)
    `
    expect(node(script)).toEqual({ status: 0, signal: null, stdout: '1\n', stderr: '' })
  })
})
