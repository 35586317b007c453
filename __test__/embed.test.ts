// Many texts, streams of texts, and calls that meet: what is under way, what is aborted, what is disposed.
import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, type EncoderBatch, type Pair, type Progress } from '../src/index.ts'
import { MINILM, tiny } from './paths.ts'

let encoder: Encoder
let real: Encoder
beforeAll(async () => {
  encoder = await Encoder.load(tiny('bert-ts17'), { threads: 1 })
  real = await Encoder.load(MINILM, { threads: 1 })
})
afterAll(async () => {
  await encoder.dispose()
  await real.dispose()
})

const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)
const long = (count: number) =>
  Array.from({ length: count }, (_, i) => `sentence number ${i} of many `.repeat(8))

/** The longest time that the event loop did not turn while `work` ran, in milliseconds. */
async function longestGap(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  await work()
  clearInterval(timer)
  return Math.max(longest, performance.now() - last)
}

describe('20 000 texts', () => {
  const many = texts(20_000)

  it('leave the event loop free', async () => {
    await encoder.embed(many.slice(0, 64))
    const gaps: number[] = []
    for (let i = 0; i < 3; i++) gaps.push(await longestGap(() => encoder.embed(many)))
    // The best of three, because other processes share the machine.
    expect(Math.min(...gaps)).toBeLessThan(50)
  })

  it('are one batch in their order, whatever happens to the array meanwhile', async () => {
    const own = [...many]
    const seen: Progress[] = []
    const running = encoder.embed(own, { onProgress: (p) => seen.push(p) })
    own.fill('something else')
    const whole = await running
    expect(whole.length).toBe(20_000)
    for (const start of [0, 8190, 16_383, 19_990]) {
      const part = await encoder.embed(many.slice(start, start + 10))
      part.mean.forEach((x, i) => {
        expect(Math.abs(x - whole.mean[start * 32 + i]!)).toBeLessThan(1e-5)
      })
      expect(whole.tokens.slice(start, start + 10)).toEqual(part.tokens)
    }
    expect(whole.valid.every((v) => v === 1)).toBe(true)
    expect(seen.at(-1)).toMatchObject({ done: 20_000, total: 20_000 })
    const counts = seen.filter(({ phase }) => phase === 'embed').map(({ done }) => done)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
  })

  it('are finished by a call that dispose meets', async () => {
    const model = await Encoder.load(tiny('bert-ts17'))
    const running = model.embed(many)
    await model.dispose()
    expect((await running).length).toBe(20_000)
  })
})

describe('an abort', () => {
  it('does not wait for the calls before it', async () => {
    const controller = new AbortController()
    const before = real.embed(long(300))
    const queued = real.embed(['a'], { signal: controller.signal })
    controller.abort('no longer wanted')
    const started = performance.now()
    await expect(queued).rejects.toBe('no longer wanted')
    expect(performance.now() - started).toBeLessThan(200)
    expect((await before).length).toBe(300)
  })

  it('keeps no listener and reports no progress afterwards', async () => {
    const controller = new AbortController()
    let reports = 0
    const running = real.embed(long(300), { signal: controller.signal, onProgress: () => reports++ })
    await new Promise((resolve) => setTimeout(resolve, 150))
    controller.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    const before = reports
    await real.embed(['the queue is empty again'])
    expect(reports).toBe(before)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('onProgress', () => {
  it('rejects with what it throws at the very end', async () => {
    const onProgress = () => {
      throw new TypeError('callback')
    }
    await expect(encoder.embed(['a'], { onProgress })).rejects.toThrow(TypeError)
    await expect(encoder.fit(texts(64), { onProgress })).rejects.toThrow(TypeError)
  })
})

describe('embedStream', () => {
  const rows = async (stream: AsyncIterable<EncoderBatch>) => {
    let count = 0
    for await (const batch of stream) count += batch.length
    return count
  }

  it('takes sync and async sources of any length', async () => {
    expect(await rows(encoder.embedStream([]))).toBe(0)
    expect(await rows(encoder.embedStream(new Set(texts(9)), { batchSize: 3 }))).toBe(9)
    async function* source() {
      yield* texts(10)
    }
    expect(await rows(encoder.embedStream(source(), { batchSize: 3 }))).toBe(10)
  })

  it('closes the source and stops the work when the caller leaves early', async () => {
    let closed = false
    let given = 0
    async function* source() {
      try {
        for (const text of long(10_000)) {
          given += 1
          yield text
        }
      } finally {
        closed = true
      }
    }
    const { signal } = new AbortController()
    for await (const batch of real.embedStream(source(), { batchSize: 32, signal })) {
      expect(batch.length).toBe(32)
      break
    }
    expect(closed).toBe(true)
    expect(given).toBeLessThanOrEqual(64)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('rejects with what the source throws, and with the position of what is no string', async () => {
    async function* failing() {
      yield* texts(5)
      throw new Error('source')
    }
    await expect(rows(encoder.embedStream(failing(), { batchSize: 2 }))).rejects.toThrow('source')
    const mixed = [...texts(5), 7 as never]
    await expect(rows(encoder.embedStream(mixed, { batchSize: 2 }))).rejects.toThrow(/texts\[5\]/)
    for (const wrong of ['a text', 3, null, {}])
      await expect(rows(encoder.embedStream(wrong as never))).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
    for (const options of [{ batchSize: 0 }, { batchsize: 3 }, { prompt: 'none' }])
      await expect(rows(encoder.embedStream(['a'], options as never))).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
  })

  it('is aborted before and while it waits for its source', async () => {
    await expect(rows(encoder.embedStream(['a'], { signal: AbortSignal.abort('early') }))).rejects.toBe(
      'early',
    )
    const controller = new AbortController()
    async function* stuck() {
      yield* texts(5)
      await new Promise(() => {})
    }
    const running = rows(encoder.embedStream(stuck(), { batchSize: 2, signal: controller.signal }))
    setTimeout(() => controller.abort('late'), 50)
    await expect(running).rejects.toBe('late')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('fit', () => {
  it('is finished by dispose, and refused after it', async () => {
    const model = await Encoder.load(tiny('bert-ts17'))
    const fitting = model.fit(texts(600).map((text) => `${text} with some words to drop`))
    await model.dispose()
    expect((await fitting).pairs).toBe(600)
    await expect(model.fit(texts(64))).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(model.bake('never.onnx')).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('is aborted while it runs and while its source is stuck, and the encoder works on', async () => {
    const controller = new AbortController()
    const running = real.fit(long(400), { signal: controller.signal })
    setTimeout(() => controller.abort('running'), 300)
    const started = performance.now()
    await expect(running).rejects.toBe('running')
    expect(performance.now() - started).toBeLessThan(2000)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    const waiting = new AbortController()
    async function* stuck(): AsyncGenerator<Pair> {
      yield { query: 'a', positive: 'b' }
      await new Promise(() => {})
    }
    setTimeout(() => waiting.abort('waiting'), 50)
    await expect(encoder.fit(stuck(), { signal: waiting.signal })).rejects.toBe('waiting')
    expect((await real.embed(['again'])).valid[0]).toBe(1)
  })
})
