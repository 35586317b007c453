import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encoder, type Pair, Posterior } from '../src/index.ts'
import { tiny } from './paths.ts'

const WORDS =
  'plane river child music winter garden horse letter market window doctor bread island engine school paper'.split(
    ' ',
  )
const word = (i: number) => WORDS[i % WORDS.length]!
const TEXTS = Array.from(
  { length: 80 },
  (_, i) =>
    `the ${word(i)} and the ${word(3 * i + 1)} near a ${word(7 * i + 2)} with ${word(5 * i + 3)} ${i}`,
)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({ query: text, positive: `${text} again ${word(i + 5)}` }))

let folder: string
let encoder: Encoder
let posterior: Posterior
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-posterior-'))
  encoder = await Encoder.load(tiny('bert-ts17'))
  posterior = await encoder.fit(PAIRS)
})
afterAll(async () => {
  await encoder.dispose()
  await rm(folder, { recursive: true })
})

const numbers = (p: Posterior) => ({
  dimension: p.dimension,
  features: p.features,
  pairs: p.pairs,
  loss: p.loss,
  priorPrecision: p.priorPrecision,
  logMarginalLikelihood: p.logMarginalLikelihood,
  effectiveParameters: p.effectiveParameters,
  scale: p.scale,
  accuracy: p.accuracy,
  warnings: p.warnings,
  fingerprint: p.fingerprint,
})

async function variance(p: Posterior, texts = TEXTS.slice(0, 8)): Promise<Float32Array> {
  await using fitted = await Encoder.load(tiny('bert-ts17'), { posterior: p })
  return (await fitted.embed(texts)).variance
}

describe('fit', () => {
  it('says what it saw', () => {
    expect(posterior).toMatchObject({ dimension: 32, features: 64, pairs: 80 })
    expect(posterior.loss).toBeGreaterThan(0)
    expect(posterior.accuracy).toBeGreaterThan(0)
    expect(posterior.priorPrecision).toBeGreaterThan(0)
    expect(posterior.fingerprint).toBe(encoder.fingerprint)
  })

  it('gives the fitted encoder mean trace 1 over its fitting texts, and the same means', async () => {
    await using fitted = await Encoder.load(tiny('bert-ts17'), { posterior })
    expect(fitted.fitted).toBe(true)
    const all = [...PAIRS.map((p) => p.query), ...PAIRS.map((p) => p.positive)]
    const [batch, plain] = [await fitted.embed(all), await encoder.embed(all)]
    const traces = batch.traces()
    expect(traces.reduce((a, b) => a + b) / traces.length).toBeCloseTo(1, 4)
    batch.mean.forEach((x, i) => {
      expect(Math.abs(x - plain.mean[i]!)).toBeLessThan(1e-5)
    })
  })

  it('takes plain texts, and drops the same words for the same seed', async () => {
    const [a, b, c] = [
      await encoder.fit(TEXTS),
      await encoder.fit(TEXTS),
      await encoder.fit(TEXTS, { seed: 1 }),
    ]
    expect(numbers(a)).toEqual(numbers(b))
    expect(c.loss).not.toBe(a.loss)
  })

  it('takes asynchronous iterables and gives the same as for an array', async () => {
    async function* stream() {
      yield* PAIRS
    }
    expect(numbers(await encoder.fit(stream()))).toEqual(numbers(posterior))
  })

  it('follows its options', async () => {
    const marglik = await encoder.fit(PAIRS, { priorPrecision: 'marglik' })
    const fixed = await encoder.fit(PAIRS, { priorPrecision: 0.25, scale: 'none' })
    expect(fixed.priorPrecision).toBe(0.25)
    expect(fixed.scale).toBe(1)
    expect(marglik.priorPrecision).not.toBe(posterior.priorPrecision)
    for (const options of [
      { curvature: 'ggn' },
      { sides: 'query' },
      { similarity: 'dot' },
      { tail: 'first-order' },
    ] as const)
      expect((await encoder.fit(PAIRS, options)).scale, JSON.stringify(options)).not.toBe(posterior.scale)
  })

  it('warns of pairs that are too easy', async () => {
    const easy = Array.from({ length: 64 }, (_, i) => ({ query: TEXTS[i]!, positive: TEXTS[i]! }))
    expect((await encoder.fit(easy, { batchSize: 2 })).warnings.join()).toMatch(/easy/)
  })

  it('refuses bad data and options, and aborts', async () => {
    const refuses = (data: unknown, options: unknown = {}) =>
      expect(encoder.fit(data as never, options as never)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
    await refuses([])
    await refuses([TEXTS[0]])
    await refuses([{ query: 'a' }])
    await refuses([TEXTS[0], PAIRS[0]])
    await refuses(3)
    for (const options of [
      { batchsize: 4 },
      { batchSize: 1 },
      { temperature: 0 },
      { wordDropout: 1 },
      { curvature: 'fisher' },
      { priorPrecision: -1 },
      { priorPrecision: 'ml' },
      { seed: 0.5 },
    ])
      await refuses(PAIRS, options)
    const reason = new Error('stop')
    await expect(encoder.fit(PAIRS, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    async function* endless() {
      for (let i = 0; ; i++) {
        if (i === 200) controller.abort(reason)
        yield PAIRS[i % PAIRS.length]!
      }
    }
    await expect(encoder.fit(endless(), { signal: controller.signal })).rejects.toBe(reason)
  })
})

describe('file', () => {
  it('gives back what was saved, and the same variances', async () => {
    const file = join(folder, 'saved.safetensors')
    await posterior.save(file)
    const loaded = await Posterior.load(file)
    expect(numbers(loaded)).toEqual(numbers(posterior))
    expect(await variance(loaded)).toEqual(await variance(posterior))
    await using byPath = await Encoder.load(tiny('bert-ts17'), { posterior: file })
    expect(byPath.fitted).toBe(true)
  })

  it('is not loaded, and not written, for a signal that was aborted before or in the same turn', async () => {
    const place = join(folder, 'aborted')
    await mkdir(place)
    const file = join(place, 'p.safetensors')
    await posterior.save(join(folder, 'there.safetensors'))
    for (const call of [
      (signal: AbortSignal) => Posterior.load(join(folder, 'there.safetensors'), { signal }),
      (signal: AbortSignal) => posterior.save(file, { signal }),
    ]) {
      const reason = new Error('stop')
      await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason)
      const controller = new AbortController()
      const work = call(controller.signal)
      controller.abort(reason)
      await expect(work).rejects.toBe(reason)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
    await posterior.save(join(folder, 'later.safetensors')) // longer than the aborted one would have taken
    expect(await readdir(place)).toEqual([])
  })

  it('is whole, the old one or the new one, where writing it is aborted', async () => {
    const place = join(folder, 'replaced')
    await mkdir(place)
    const file = join(place, 'p.safetensors')
    const other = posterior.with({ scale: 3 })
    await posterior.save(file)
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController()
      const saving = other.save(file, { signal: controller.signal })
      await new Promise<void>((resolve) => process.nextTick(resolve))
      controller.abort('stop')
      await expect(saving).rejects.toBe('stop')
      expect([posterior.scale, 3]).toContain((await Posterior.load(file)).scale)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
    await expect.poll(() => readdir(place)).toEqual(['p.safetensors'])
  })

  it('is read and written with a signal that never fires, which keeps no listener', async () => {
    const { signal } = new AbortController()
    const file = join(folder, 'signalled.safetensors')
    await posterior.save(file, { signal })
    expect(numbers(await Posterior.load(file, { signal }))).toEqual(numbers(posterior))
    expect(getEventListeners(signal, 'abort')).toEqual([])
    for (const options of [{ signal: 3 }, { sign: signal }, null]) {
      const refused = { code: 'ERR_INVALID_ARGUMENT' }
      await expect(Posterior.load(file, options as never)).rejects.toMatchObject(refused)
      await expect(posterior.save(file, options as never)).rejects.toMatchObject(refused)
    }
  })

  it('is refused when cut off, damaged, or missing', async () => {
    const file = join(folder, 'damaged.safetensors')
    await posterior.save(file)
    const bytes = await readFile(file)
    for (const length of [0, 7, 100, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(file, bytes.subarray(0, length))
      await expect(Posterior.load(file)).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
    }
    await expect(Posterior.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })

  it('leaves nothing behind where it cannot be written', async () => {
    await expect(posterior.save(join(folder, 'no', 'such', 'folder', 'p'))).rejects.toMatchObject({
      code: 'ERR_FILE_WRITE',
    })
    const before = await readdir(folder)
    await expect(posterior.save(folder)).rejects.toMatchObject({ code: 'ERR_FILE_WRITE' })
    expect(await readdir(folder)).toEqual(before)
  })

  it('is refused by another encoder', async () => {
    await expect(Encoder.load(tiny('bert-ts14'), { posterior })).rejects.toMatchObject({
      code: 'ERR_POSTERIOR_MISMATCH',
    })
  })
})

describe('with and merge', () => {
  it('gives what a fit with these settings gives', async () => {
    const direct = await encoder.fit(PAIRS, { priorPrecision: 0.5, laplaceTemperature: 2 })
    const changed = posterior.with({ priorPrecision: 0.5, laplaceTemperature: 2 })
    expect(changed.scale).toBeCloseTo(direct.scale, 10)
    expect(changed.effectiveParameters).toBeCloseTo(direct.effectiveParameters, 8)
  })

  it('adds up fits of shards cut at multiples of the batch size', async () => {
    const parts = [await encoder.fit(PAIRS.slice(0, 32)), await encoder.fit(PAIRS.slice(32))]
    const merged = Posterior.merge(parts)
    expect(merged.pairs).toBe(80)
    expect(merged.loss).toBeCloseTo(posterior.loss, 6)
    expect(Math.abs(merged.priorPrecision / posterior.priorPrecision - 1)).toBeLessThan(1e-5)
    expect(Math.abs(merged.scale / posterior.scale - 1)).toBeLessThan(1e-5)
  })

  it('refuses bad settings', () => {
    for (const changes of [{ priorPrecision: 0 }, { laplaceTemperature: -1 }, { scale: 0 }, { lambda: 1 }])
      expect(() => posterior.with(changes as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    expect(() => Posterior.merge([])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('truncate', () => {
  it('keeps the first dimensions, with λ and c of these', async () => {
    const half = posterior.truncate(16)
    expect(half).toMatchObject({ dimension: 16, features: 64, pairs: 80, fingerprint: posterior.fingerprint })
    expect(half.scale).not.toBe(posterior.scale)
    expect(numbers(posterior.truncate(32))).toEqual(numbers(posterior))
    const file = join(folder, 'half.safetensors')
    await half.save(file)
    expect(numbers(await Posterior.load(file))).toEqual(numbers(half))
    const changes = { priorPrecision: 0.5, laplaceTemperature: 2 }
    expect(numbers(half.with(changes))).toEqual(numbers(posterior.with(changes).truncate(16)))
  })

  it('refuses what is no number of dimensions', () => {
    for (const dimension of [0, 33, 1.5, -1, Number.NaN, 2 ** 32 + 8, '8', undefined])
      expect(() => posterior.truncate(dimension as never), String(dimension)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
  })

  it('does not merge what keeps unlike dimensions', () => {
    expect(() => Posterior.merge([posterior, posterior.truncate(16)])).toThrow(/dimensions/)
  })
})

/** Multiplies every other entry of H by 4 and seals the file anew (docs/posterior-format.md). */
async function disturb(file: string): Promise<void> {
  const bytes = await readFile(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, start).toString())
  const [from, to] = header.H.data_offsets
  for (let at = start + from; at < start + to; at += 8) bytes.writeFloatLE(bytes.readFloatLE(at) * 4, at)
  const { __metadata__: metadata, ...tensors } = header
  const hash = createHash('sha256')
  const u64 = (value: number) => {
    const word = Buffer.alloc(8)
    word.writeBigUInt64LE(BigInt(value))
    return word
  }
  const add = (part: Uint8Array) => hash.update(u64(part.length)).update(part)
  for (const key of Object.keys(metadata).sort())
    if (key !== 'checksum') add(Buffer.from(key)) && add(Buffer.from(metadata[key]))
  const order = ['sample_hash', 'sample_norm', 'weight_norm2', 'H', 'gamma', 'sample_h', 'sample_mean']
  for (const name of order) {
    const { shape, data_offsets } = tensors[name]
    for (const length of shape) add(u64(length))
    add(bytes.subarray(start + data_offsets[0], start + data_offsets[1]))
  }
  const sealed = Buffer.from(
    bytes.subarray(8, start).toString().replace(metadata.checksum, hash.digest('hex')),
  )
  sealed.copy(bytes, 8)
  await writeFile(file, bytes)
}

describe('curvature', () => {
  it('shapes the variance: disturbing H changes v', async () => {
    const file = join(folder, 'disturbed.safetensors')
    await posterior.save(file)
    await disturb(file)
    const before = await variance(posterior)
    const after = await variance(
      (await Posterior.load(file)).with({ priorPrecision: posterior.priorPrecision, scale: posterior.scale }),
    )
    const ratios = before.map((v, i) => after[i]! / v)
    expect(Math.max(...ratios) / Math.min(...ratios)).toBeGreaterThan(1.01)
    expect(ratios.every((r) => r < 1)).toBe(true)
  })
})
