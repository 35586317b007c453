// Calls on an ensemble that meet each other, their caller's later changes, or damaged settings.
import { getEventListeners } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Calibration, Encoder, Ensemble, EnsembleBatch, GaussianBatch, type Pair } from '../src/index.ts'
import { tiny } from './paths.ts'

const TEXTS = Array.from({ length: 64 }, (_, i) => `a text with number ${i} and ${i * i} in it`)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({ query: text, positive: `${text} once more ${i % 7}` }))

let folder: string
let members: Encoder[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-ensemble-'))
  members = await Promise.all(
    ['bert-ts17', 'bert-cls'].map(async (name) => {
      await using plain = await Encoder.load(tiny(name))
      return Encoder.load(tiny(name), { posterior: await plain.fit(PAIRS) })
    }),
  )
})
afterAll(async () => {
  await Promise.all(members.map((member) => member.dispose()))
  await rm(folder, { recursive: true })
})

/** An ensemble with members of its own, which end with it. */
async function owning(name: string): Promise<Ensemble> {
  const directory = join(folder, name)
  await (await Ensemble.load(members)).save(directory)
  return Ensemble.load(directory)
}

describe('what the caller changes later', () => {
  it('does not reach fixed weights', async () => {
    const weights = [1, 3]
    const ensemble = await Ensemble.load(members, { coefficients: weights })
    const fingerprint = ensemble.fingerprint
    weights[0] = 100
    expect(ensemble.fingerprint).toBe(fingerprint)
    expect((await ensemble.embed(['a'])).coefficients[1]).toBeCloseTo(0.75, 6)
    expect(() => (ensemble.coefficients as number[]).push(1)).toThrow(TypeError)
  })

  it('does not reach a calibration', async () => {
    const ensemble = await Ensemble.load(members)
    const learned = (await ensemble.calibrate({ pairs: PAIRS })) as Calibration
    expect(() => (learned.bias as number[]).fill(0)).toThrow(TypeError)
    const given: Calibration = { ...learned, bias: [...learned.bias] }
    const other = await Ensemble.load(members, { coefficients: given, temperature: ensemble.temperature })
    ;(given.bias as number[])[0] = 5
    expect(other.fingerprint).toBe(ensemble.fingerprint)
  })

  it('does not reach texts and pairs on their way', async () => {
    const [a, b] = [await Ensemble.load(members), await Ensemble.load(members)]
    const texts = [...TEXTS]
    const running = a.embed(texts)
    texts.fill('something else')
    expect((await running).mean).toEqual((await a.embed(TEXTS)).mean)
    const pairs = PAIRS.map((pair) => ({ ...pair }))
    const calibrating = a.calibrate({ pairs })
    for (const pair of pairs) pair.positive = 'something else'
    expect(await calibrating).toEqual(await b.calibrate({ pairs: PAIRS }))
  })

  it('does not reach an embed: it mixes with the settings it began with', async () => {
    const ensemble = await Ensemble.load(members)
    const before = await ensemble.embed(TEXTS)
    const [batch] = await Promise.all([ensemble.embed(TEXTS), ensemble.calibrate({ pairs: PAIRS })])
    expect(batch.coefficients).toEqual(before.coefficients)
  })
})

describe('EnsembleBatch', () => {
  it('is a GaussianBatch that says how each text was mixed; its slices are plain ones', async () => {
    const batch = await (await Ensemble.load(members)).embed(['a text', '', 'another'])
    expect(batch).toBeInstanceOf(EnsembleBatch)
    expect(batch).toBeInstanceOf(GaussianBatch)
    expect([batch.coefficients, batch.disagreement, batch.valid].map((part) => part.length)).toEqual([
      6, 3, 3,
    ])
    expect(batch.slice(1)).not.toBeInstanceOf(EnsembleBatch)
    const empty = await (await Ensemble.load(members)).embed([])
    expect([empty.length, empty.dimension, empty.coefficients.length]).toEqual([0, 32, 0])
  })
})

describe('dispose', () => {
  it('waits for every running call, and refuses later ones', async () => {
    const ensemble = await owning('waits')
    const saved = join(folder, 'saved while disposed')
    const running = [ensemble.embed(TEXTS), ensemble.calibrate({ pairs: PAIRS }), ensemble.save(saved)]
    await ensemble.dispose()
    await Promise.all(running)
    await using again = await Ensemble.load(saved)
    expect(again.members.length).toBe(2)
    for (const call of [ensemble.embed(['a']), ensemble.calibrate({ texts: TEXTS }), ensemble.save(saved)])
      await expect(call).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('load', () => {
  it('is aborted before and while it loads', async () => {
    await expect(Ensemble.load(members, { signal: AbortSignal.abort('early') })).rejects.toBe('early')
    await (await owning('aborted')).dispose()
    const controller = new AbortController()
    const loading = Ensemble.load(join(folder, 'aborted'), { signal: controller.signal })
    setImmediate(() => controller.abort('late'))
    await expect(loading).rejects.toBe('late')
  })

  it.each([
    [{ encoder: { polling: 'mean' } }, /'pooling'/],
    [{ encoder: { threads: 0 } }, /threads/],
    [{ encoder: { signal: AbortSignal.abort() } }, /signal/],
    [{ coefficients: { power: -1 } }, /power/],
    [{ coefficients: null }, /coefficients/],
    [{ coefficients: () => 1 }, /coefficients/],
    [{ normalize: 1 }, /normalize/],
    [{ temperature: 'automatic' }, /temperature/],
    [{ signal: 3 }, /signal/],
    [null, /options/],
  ])('refuses the options %j', async (options, message) => {
    const error = await Ensemble.load(members, options as never).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'UecError', code: 'ERR_INVALID_ARGUMENT' })
    expect((error as Error).message).toMatch(message)
  })

  it.each([undefined, null, 3, {}, '', new Set(['a'])])('refuses the source %j', (source) =>
    expect(Ensemble.load(source as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})

describe('calibrate', () => {
  it.each([
    [undefined, undefined],
    [null, undefined],
    [{ text: TEXTS }, undefined],
    [{ texts: 'a' }, undefined],
    [{ pairs: [{ query: 'a' }] }, undefined],
    [{ texts: TEXTS }, { source: ['trace'] }],
    [{ pairs: PAIRS }, { sources: 'trace' }],
    [{ pairs: PAIRS }, { sources: [] }],
    [{ pairs: PAIRS }, { sources: ['trace', 'trace'] }],
    [{ pairs: PAIRS }, { signal: {} }],
  ])('refuses %#', async (data, options) => {
    const ensemble = await Ensemble.load(members)
    await expect(ensemble.calibrate(data as never, options as never)).rejects.toMatchObject({
      name: 'UecError',
      code: 'ERR_INVALID_ARGUMENT',
    })
  })

  it('is aborted while it runs, and changes nothing', async () => {
    const ensemble = await Ensemble.load(members)
    const before = ensemble.fingerprint
    const controller = new AbortController()
    const many = Array.from({ length: 40 }, () => PAIRS).flat()
    const running = ensemble.calibrate({ pairs: many }, { signal: controller.signal })
    setTimeout(() => controller.abort('enough'), 20)
    await expect(running).rejects.toBe('enough')
    expect(ensemble.fingerprint).toBe(before)
    const embedding = new AbortController()
    const embed = ensemble.embed(
      many.map(({ query }) => query),
      { signal: embedding.signal },
    )
    setTimeout(() => embedding.abort('stop'), 20)
    await expect(embed).rejects.toBe('stop')
  })
})

describe('save', () => {
  const beside = async (name: string) => (await readdir(folder)).filter((entry) => entry.includes(name))

  it('does nothing for a signal that was aborted before or in the same turn', async () => {
    const ensemble = await Ensemble.load(members)
    const save = (signal: AbortSignal) => ensemble.save(join(folder, 'never made'), { signal })
    await expect(save(AbortSignal.abort('early'))).rejects.toBe('early')
    const controller = new AbortController()
    const saving = save(controller.signal)
    controller.abort('stop')
    await expect(saving).rejects.toBe('stop')
    await ensemble.dispose()
    expect(await beside('never made')).toEqual([])
  })

  it('aborted while it writes goes no further, leaves what was there, and cleans up before dispose ends', async () => {
    const saved = join(folder, 'kept')
    await (await Ensemble.load(members)).save(saved)
    const before = await readFile(join(saved, 'ensemble.json'), 'utf8')
    const ensemble = await Ensemble.load(members, { temperature: 3 })
    const controller = new AbortController()
    const [first, second] = [vi.spyOn(members[0]!, 'bake'), vi.spyOn(members[1]!, 'bake')]
    let baked = false
    first.mockImplementation(async (file) => {
      controller.abort('stop')
      await Encoder.prototype.bake.call(members[0]!, file)
      baked = true
    })
    try {
      await expect(ensemble.save(saved, { signal: controller.signal })).rejects.toBe('stop')
      expect(baked).toBe(false)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
      await ensemble.dispose()
      expect(baked).toBe(true)
      expect(second).not.toHaveBeenCalled()
    } finally {
      first.mockRestore()
      second.mockRestore()
    }
    expect(await beside('kept')).toEqual(['kept'])
    expect(await readFile(join(saved, 'ensemble.json'), 'utf8')).toBe(before)
  })

  it('with a signal that never fires saves, and keeps no listener', async () => {
    const ensemble = await Ensemble.load(members)
    const { signal } = new AbortController()
    const saved = join(folder, 'signalled')
    await ensemble.save(saved, { signal })
    await using again = await Ensemble.load(saved, { signal })
    expect(again.fingerprint).toBe(ensemble.fingerprint)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    for (const options of [{ signal: 3 }, { sign: signal }, null])
      await expect(ensemble.save(saved, options as never)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
  })
})

describe('a directory', () => {
  it('may be read by whoever the umask allows', async () => {
    const saved = join(folder, 'modes')
    await (await Ensemble.load(members)).save(saved)
    const expected = 0o777 & ~process.umask()
    expect((await stat(saved)).mode & 0o777).toBe(expected)
    for (const name of await readdir(saved, { recursive: true }))
      expect((await stat(join(saved, name))).mode & 0o444, name).toBe(expected & 0o444)
  })

  it('with damaged settings is ERR_FILE_CORRUPT', async () => {
    const saved = join(folder, 'damaged')
    await (await Ensemble.load(members)).save(saved)
    const file = join(saved, 'ensemble.json')
    const good = JSON.parse(await readFile(file, 'utf8'))
    for (const damage of [
      { temperature: -1 },
      { temperature: null },
      { normalize: 'yes' },
      { coefficients: [1, 2, 3] },
      { coefficients: 'softmax' },
      { coefficients: undefined },
      { version: 0 },
      { version: 1.5 },
      { members: [] },
      { members: [{ path: 3 }] },
    ]) {
      await writeFile(file, JSON.stringify({ ...good, ...damage }))
      await expect(Ensemble.load(saved), JSON.stringify(damage)).rejects.toMatchObject({
        code: 'ERR_FILE_CORRUPT',
      })
    }
    await writeFile(file, '{ "format": "uec-ensemble", "version": 1e999 }')
    await expect(Ensemble.load(saved)).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
  })
})
