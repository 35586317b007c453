import { getEventListeners } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, type EncoderBatch, type EncoderOptions } from '../src/index.ts'
import { type Binding, native } from '../src/native.ts'
import { MINILM, tiny } from './paths.ts'

interface Reference {
  tolerance: number
  texts: { text: string; input_ids: number[]; embedding: number[] }[]
}

const reference = async (name: string): Promise<Reference> =>
  JSON.parse(await readFile(join(tiny(name), 'reference.json'), 'utf8'))

const SENTENCES = Array.from(
  { length: 40 },
  (_, i) => `sentence number ${i} about ${'very '.repeat(i % 9)}different things`,
)

let folder: string
let encoder: Encoder
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-encoder-'))
  encoder = await Encoder.load(tiny('bert-ts17'))
})
afterAll(async () => {
  await encoder.dispose()
  await rm(folder, { recursive: true })
})

/** A copy of a tiny model whose files may be damaged. */
async function copy(name: string): Promise<string> {
  const target = join(await mkdtemp(join(folder, 'copy-')), name)
  await cp(tiny(name), target, { recursive: true })
  return target
}

const row = (batch: EncoderBatch, i: number) => Array.from(batch.at(i).mean)

describe.each(['bert-ts17', 'bert-ts14', 'bert-dynamo20', 'bert-fp16-weights', 'bert-cls'])('%s', (name) => {
  it('gives the embeddings of the reference, in the order of the texts', async () => {
    const { texts, tolerance } = await reference(name)
    await using model = await Encoder.load(tiny(name))
    const batch = await model.embed(texts.map(({ text }) => text))
    expect(batch.length).toBe(texts.length)
    for (const [i, { embedding, input_ids }] of texts.entries()) {
      const got = row(batch, i)
      const worst = Math.max(...embedding.map((x, d) => Math.abs(x - got[d]!)))
      expect(worst).toBeLessThan(tolerance)
      expect(batch.tokens[i]).toBe(input_ids.length - 2)
    }
  })
})

describe('info', () => {
  it('says what was found in the graph', () => {
    expect(encoder.info).toMatchObject({
      dimension: 32,
      features: 64,
      norm: 'layer',
      pooling: 'mean',
      device: 'cpu',
    })
    expect(encoder.info.runtime).toMatch(/onnxruntime/)
    expect(encoder.fitted).toBe(false)
    expect(encoder.dimension).toBe(32)
  })
})

describe('embed', () => {
  it('gives an unfitted encoder variance zero', async () => {
    const batch = await encoder.embed(SENTENCES)
    expect(batch.variance.every((v) => v === 0)).toBe(true)
    expect(batch.valid.every((v) => v === 1)).toBe(true)
  })

  it('gives every text what it gives it alone', async () => {
    const together = await encoder.embed(SENTENCES)
    for (const i of [0, 7, 19, 39]) {
      const alone = await encoder.embed([SENTENCES[i]!])
      row(alone, 0).forEach((x, d) => {
        expect(Math.abs(x - row(together, i)[d]!)).toBeLessThan(1e-5)
      })
    }
  })

  it('gives no rows for no texts', async () => {
    const batch = await encoder.embed([])
    expect(batch.length).toBe(0)
    expect(batch.dimension).toBe(32)
  })

  it('embeds an empty string', async () => {
    const batch = await encoder.embed([''])
    expect(batch.valid[0]).toBe(1)
    expect(batch.tokens[0]).toBe(0)
    expect(batch.mean.some((x) => x !== 0)).toBe(true)
  })

  it('cuts and flags a text of 1 MB', async () => {
    const batch = await encoder.embed(['word '.repeat(200_000), 'word'])
    expect(Array.from(batch.truncated)).toEqual([1, 0])
    expect(batch.mean.every(Number.isFinite)).toBe(true)
  })

  it('reads a lone surrogate as U+FFFD', async () => {
    const batch = await encoder.embed(['a \ud800 b', 'a \ufffd b'])
    expect(row(batch, 0)).toEqual(row(batch, 1))
  })

  it('refuses what is no array of strings, naming the place', async () => {
    await expect(encoder.embed('text' as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(encoder.embed(['a', 3 as never])).rejects.toThrow(/texts\[1\]/)
  })

  it('refuses unknown options and prompts', async () => {
    await expect(encoder.embed(['a'], { promt: 'query' } as never)).rejects.toThrow(
      /unknown option 'promt'.*'prompt'/,
    )
    await expect(encoder.embed(['a'], { prompt: 'nope' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })

  it('puts a prompt before the text', async () => {
    await using prompted = await Encoder.load(tiny('bert-ts17'), { prompts: { query: 'find ' } })
    const [a, b] = [await prompted.embed(['a dog'], { prompt: 'query' }), await encoder.embed(['find a dog'])]
    expect(row(a, 0)).toEqual(row(b, 0))
  })

  it('streams what it embeds at once', async () => {
    const whole = await encoder.embed(SENTENCES)
    const rows: number[][] = []
    for await (const batch of encoder.embedStream(SENTENCES, { batchSize: 7 }))
      for (let i = 0; i < batch.length; i++) rows.push(row(batch, i))
    expect(rows.length).toBe(SENTENCES.length)
    rows.forEach((got, i) => {
      got.forEach((x, d) => {
        expect(Math.abs(x - row(whole, i)[d]!)).toBeLessThan(1e-5)
      })
    })
  })
})

describe('abort', () => {
  it('rejects with the reason of a signal that was aborted before', async () => {
    const reason = new Error('no longer wanted')
    await expect(encoder.embed(['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('rejects with the reason while it runs, and works afterwards', async () => {
    await using real = await Encoder.load(MINILM, { threads: 1 })
    const many = Array.from({ length: 400 }, (_, i) =>
      `a rather long sentence with number ${i} in it `.repeat(8),
    )
    const controller = new AbortController()
    const reason = new Error('enough')
    const started = performance.now()
    setTimeout(() => controller.abort(reason), 200)
    await expect(real.embed(many, { signal: controller.signal })).rejects.toBe(reason)
    expect(performance.now() - started).toBeLessThan(3000)
    expect((await real.embed(['again'])).valid[0]).toBe(1)
  })
})

describe('abort of load, warmup and bake', () => {
  /** When all that needs no turn of the event loop is done: native work is then under way. */
  const begun = () => new Promise<void>((resolve) => process.nextTick(resolve))

  it('rejects with the reason, before and while they work, and keeps no listener', async () => {
    await using model = await Encoder.load(tiny('bert-ts17'))
    const posterior = await model.fit(SENTENCES)
    const saved = join(folder, 'for abort.safetensors')
    await posterior.save(saved)
    const place = await mkdtemp(join(folder, 'abort-'))
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => Encoder.load(tiny('bert-ts17'), { signal }),
      (signal) => Encoder.load(tiny('bert-ts17'), { signal, posterior: saved }),
      (signal) => model.warmup({ signal }),
      (signal) => model.bake(join(place, 'baked.onnx'), posterior, { signal }),
    ]
    for (const [i, call] of calls.entries()) {
      const reason = new Error(`stop ${i}`)
      await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason)
      const controller = new AbortController()
      const work = call(controller.signal)
      await begun()
      controller.abort(reason)
      await expect(work).rejects.toBe(reason)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
      const { signal: unused } = new AbortController()
      const done = await call(unused)
      if (done instanceof Encoder) await done.dispose()
      expect(getEventListeners(unused, 'abort')).toEqual([])
    }
  })

  it('does not write what was aborted before; writes the rest whole, and dispose waits for it', async () => {
    const model = await Encoder.load(tiny('bert-ts17'))
    const posterior = await model.fit(SENTENCES)
    const place = await mkdtemp(join(folder, 'abort-'))
    const bake = (name: string, signal: AbortSignal) =>
      model.bake(join(place, name), posterior, { signal }).catch((reason: unknown) => reason)
    expect(await bake('before.onnx', AbortSignal.abort('early'))).toBe('early')
    const same = new AbortController()
    const never = bake('same turn.onnx', same.signal)
    same.abort('same turn')
    const late = new AbortController()
    const baking = bake('while.onnx', late.signal)
    await begun()
    late.abort('late')
    expect([await never, await baking]).toEqual(['same turn', 'late'])
    await model.dispose()
    expect(await readdir(place)).toEqual(['while.onnx'])
  })

  it('frees a model that nobody waits for any more', async () => {
    const binding = native() as { -readonly [Name in keyof typeof Binding]: (typeof Binding)[Name] }
    const { NativeEncoder, Job } = binding
    let loaded: Promise<Binding.NativeEncoder> | undefined
    const load: typeof NativeEncoder.load = (_, ...rest) => {
      loaded = NativeEncoder.load(new Job(), ...rest) // not to be cancelled before it begins
      return loaded
    }
    binding.NativeEncoder = { load } as never
    try {
      const controller = new AbortController()
      const loading = Encoder.load(tiny('bert-ts17'), { signal: controller.signal })
      await begun()
      controller.abort('stop')
      await expect(loading).rejects.toBe('stop')
      const handle = (await loaded)!
      expect(() => handle.embed(new Job(), ['a'])).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    } finally {
      binding.NativeEncoder = NativeEncoder
    }
  })

  it('refuses what is no signal', async () => {
    const refused = { code: 'ERR_INVALID_ARGUMENT' }
    for (const options of [{ signal: 3 }, { sign: AbortSignal.abort() }, null]) {
      await expect(encoder.warmup(options as never)).rejects.toMatchObject(refused)
      await expect(encoder.bake('x.onnx', undefined, options as never)).rejects.toMatchObject(refused)
      await expect(Encoder.load(tiny('bert-ts17'), options as never)).rejects.toMatchObject(refused)
    }
  })
})

describe('the event loop', () => {
  it('turns while texts are embedded', async () => {
    await using real = await Encoder.load(MINILM, { threads: 1 })
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 5)
    const started = performance.now()
    await real.embed(Array.from({ length: 64 }, (_, i) => `a sentence of some length, number ${i}`))
    const took = performance.now() - started
    clearInterval(timer)
    expect(turns).toBeGreaterThan(took / 5 / 4)
  })
})

describe('progress', () => {
  it('counts up to the number of texts', async () => {
    const seen: { phase: string; done: number; total?: number }[] = []
    await encoder.embed(SENTENCES, { onProgress: (p) => seen.push(p) })
    expect(seen.at(-1)).toMatchObject({ done: SENTENCES.length, total: SENTENCES.length })
  })

  it('rejects with what the callback throws', async () => {
    await using real = await Encoder.load(MINILM, { threads: 1 })
    const many = Array.from({ length: 200 }, (_, i) => `sentence number ${i} `.repeat(10))
    const onProgress = () => {
      throw new Error('callback')
    }
    await expect(real.embed(many, { onProgress })).rejects.toThrow('callback')
  })
})

describe('dispose', () => {
  it('waits for running calls and refuses later ones', async () => {
    const model = await Encoder.load(tiny('bert-ts17'))
    const running = model.embed(SENTENCES)
    await model.dispose()
    expect((await running).length).toBe(SENTENCES.length)
    await expect(model.embed(['a'])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await model.dispose()
  })
})

describe('load refuses', () => {
  const refuses = (path: string, code: string, options?: EncoderOptions) =>
    expect(Encoder.load(path, options)).rejects.toMatchObject({ name: 'UecError', code })

  it('a path where nothing is', () => refuses(join(folder, 'nothing'), 'ERR_MODEL_NOT_FOUND'))
  it('an unknown option', () =>
    refuses(tiny('bert-ts17'), 'ERR_INVALID_ARGUMENT', { polling: 'mean' } as never))
  it('an unknown pooling', () =>
    refuses(tiny('bert-ts17'), 'ERR_INVALID_ARGUMENT', { pooling: 'max' as never }))
  it('a device that is not there', () =>
    refuses(tiny('bert-ts17'), 'ERR_DEVICE_UNAVAILABLE', { device: 'cuda' }))
  it('a runtime that is not there', () =>
    refuses(tiny('bert-ts17'), 'ERR_RUNTIME_NOT_FOUND', { runtime: join(folder, 'libonnxruntime.so') }))

  it('a model that is cut off', async () => {
    const path = await copy('bert-ts17')
    await truncate(join(path, 'onnx/model.onnx'), 70_000)
    await refuses(path, 'ERR_MODEL_INVALID')
  })

  it('a directory without a model', async () => {
    const path = await copy('bert-ts17')
    await rm(join(path, 'onnx'), { recursive: true })
    await refuses(path, 'ERR_MODEL_NOT_FOUND')
  })

  it('a tokenizer that is missing or damaged', async () => {
    const path = await copy('bert-ts17')
    await truncate(join(path, 'tokenizer.json'), 1000)
    await refuses(path, 'ERR_TOKENIZER_INVALID')
    await rm(join(path, 'tokenizer.json'))
    await refuses(path, 'ERR_TOKENIZER_INVALID')
  })

  it('a posterior file that is missing, cut off or something else', async () => {
    await refuses(tiny('bert-ts17'), 'ERR_FILE_NOT_FOUND', { posterior: join(folder, 'none.safetensors') })
    const file = join(folder, 'posterior.safetensors')
    await writeFile(file, 'not a posterior')
    await refuses(tiny('bert-ts17'), 'ERR_FILE_CORRUPT', { posterior: file })
  })

  it('every broken model, with a model error', async () => {
    const { cases } = JSON.parse(await readFile(join(tiny('broken'), 'expected.json'), 'utf8'))
    for (const { name } of cases as { name: string }[])
      await expect(Encoder.load(tiny(`broken/${name}`)), name).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_MODEL_(INVALID|UNSUPPORTED|NOT_FOUND)$/),
      })
  })
})
