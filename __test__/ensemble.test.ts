import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { convolve, Encoder, Ensemble, GaussianIndex, type Pair } from '../src/index.ts'
import { tiny } from './paths.ts'

const WORDS =
  'plane river child music winter garden horse letter market window doctor bread island engine school paper'.split(
    ' ',
  )
const word = (i: number) => WORDS[i % WORDS.length]!
const TEXTS = Array.from(
  { length: 64 },
  (_, i) => `the ${word(i)} and the ${word(3 * i + 1)} near a ${word(7 * i + 2)} ${i}`,
)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({ query: text, positive: `${text} again ${word(i + 5)}` }))

let folder: string
let members: Encoder[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-ensemble-'))
  members = await Promise.all(
    ['bert-ts17', 'bert-dynamo20', 'bert-cls'].map(async (name) => {
      await using plain = await Encoder.load(tiny(name))
      return Encoder.load(tiny(name), { posterior: await plain.fit(PAIRS) })
    }),
  )
})
afterAll(async () => {
  await Promise.all(members.map((member) => member.dispose()))
  await rm(folder, { recursive: true })
})

describe('embed', () => {
  it('mixes the members as convolve does', async () => {
    const ensemble = await Ensemble.load(members, { temperature: 0.5 })
    const batch = await ensemble.embed(TEXTS)
    const parts = await Promise.all(members.map((member) => member.embed(TEXTS)))
    const mixed = await convolve(parts, { temperature: 0.5 })
    expect(batch.coefficients).toEqual(mixed.coefficients)
    expect(batch.mean).toEqual(mixed.gaussians.mean)
    expect(batch.variance).toEqual(mixed.gaussians.variance)
    for (let i = 0; i < batch.length; i++) {
      const mean = batch
        .at(i)
        .mean.map((_, d) =>
          parts.reduce((sum, part, k) => sum + batch.coefficients[i * 3 + k]! * part.at(i).mean[d]!, 0),
        )
      expect(batch.disagreement[i]).toBeCloseTo(1 - mean.reduce((sum, x) => sum + x * x, 0), 5)
    }
  })

  it('does not depend on the other texts', async () => {
    const ensemble = await Ensemble.load(members)
    const [all, one] = [await ensemble.embed(TEXTS), await ensemble.embed([TEXTS[5]!])]
    one.coefficients.forEach((c, k) => {
      expect(Math.abs(c - all.coefficients[5 * 3 + k]!)).toBeLessThan(1e-4)
    })
  })

  it('takes T from the fitting texts, from given texts, or as given', async () => {
    const fitted = await Ensemble.load(members)
    expect(fitted.temperature).toBeGreaterThan(0)
    expect((await Ensemble.load(members, { temperature: 0.25 })).temperature).toBe(0.25)
    const traces = (await Promise.all(members.map((member) => member.embed(TEXTS)))).flatMap((batch) => [
      ...batch.traces(),
    ])
    const mean = traces.reduce((a, b) => a + b) / traces.length
    const deviation = Math.sqrt(traces.reduce((sum, t) => sum + (t - mean) ** 2, 0) / traces.length)
    expect(await fitted.calibrate({ texts: TEXTS })).toBeUndefined()
    expect(fitted.temperature).toBeCloseTo(deviation, 6)
  })

  it('marks what was made with other settings as not comparable', async () => {
    const [a, b] = [
      await Ensemble.load(members, { temperature: 1 }),
      await Ensemble.load(members, { temperature: 2 }),
    ]
    expect(a.fingerprint).not.toBe(b.fingerprint)
    const index = new GaussianIndex({ dimension: 32, fingerprint: a.fingerprint })
    await index.add(['x'], await a.embed(['x']))
    await expect(index.add(['y'], await b.embed(['y']))).rejects.toMatchObject({
      code: 'ERR_POSTERIOR_MISMATCH',
    })
    await expect(index.search(await b.embed(['y']))).rejects.toMatchObject({ code: 'ERR_POSTERIOR_MISMATCH' })
  })
})

describe('what rows belong to', () => {
  it('is the encoder with its posterior, or the ensemble', async () => {
    const ensemble = await Ensemble.load(members)
    const [mine, other] = [members[0]!, members[1]!]
    const refuses = (call: Promise<unknown>) =>
      expect(call).rejects.toMatchObject({ code: 'ERR_POSTERIOR_MISMATCH' })
    const own = new GaussianIndex({ dimension: 32, fingerprint: mine.identity })
    await own.add(['a'], await mine.embed(['a']))
    await refuses(own.add(['b'], await other.embed(['b'])))
    await refuses(own.search(await other.embed(['b'])))
    const mixed = new GaussianIndex({ dimension: 32, fingerprint: ensemble.fingerprint })
    await refuses(mixed.add(['a'], await mine.embed(['a'])))
    expect(own.size + mixed.size).toBe(1)
  })

  it('does not change with settings that do not matter', async () => {
    const load = async (temperature: number) =>
      (await Ensemble.load(members, { coefficients: 'uniform', temperature })).fingerprint
    expect(await load(1)).toBe(await load(2))
  })
})

describe('calibrate', () => {
  it("takes T of 'softmax-precision' from the texts' precisions", async () => {
    const ensemble = await Ensemble.load(members, { coefficients: 'softmax-precision' })
    const batches = await Promise.all(members.map((member) => member.embed(TEXTS)))
    const sums = batches.flatMap((batch) =>
      [...batch].map((row) => row.variance.reduce((s, v) => s + 1 / v, 0)),
    )
    const mean = sums.reduce((a, b) => a + b) / sums.length
    const deviation = Math.sqrt(sums.reduce((sum, x) => sum + (x - mean) ** 2, 0) / sums.length)
    await ensemble.calibrate({ texts: TEXTS })
    expect(Math.abs(ensemble.temperature / deviation - 1)).toBeLessThan(1e-5)
  })

  it('learns coefficients that later embeds use', async () => {
    const ensemble = await Ensemble.load(members)
    const before = ensemble.fingerprint
    const calibration = (await ensemble.calibrate({ pairs: PAIRS }))!
    expect(calibration.bias.length).toBe(3)
    expect(calibration.bias.reduce((a, b) => a + b)).toBeCloseTo(0, 6)
    expect(calibration.power.every((p) => p >= 0)).toBe(true)
    expect(calibration.pairs).toBe(PAIRS.length)
    expect(ensemble.coefficients).toEqual(calibration)
    expect(ensemble.fingerprint).not.toBe(before)
    const batch = await ensemble.embed(TEXTS.slice(0, 4))
    for (let i = 0; i < 4; i++)
      expect(batch.coefficients.slice(3 * i, 3 * i + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 5)
  })

  it('changes nothing when it fails or is aborted', async () => {
    const ensemble = await Ensemble.load(members)
    const before = [ensemble.fingerprint, ensemble.temperature]
    await expect(ensemble.calibrate({ pairs: PAIRS.slice(0, 3) })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    await expect(ensemble.calibrate({})).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(ensemble.calibrate({ pairs: PAIRS }, { sources: ['norm' as never] })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    const reason = new Error('stop')
    await expect(ensemble.calibrate({ pairs: PAIRS }, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    expect([ensemble.fingerprint, ensemble.temperature]).toEqual(before)
  })
})

describe('directory', () => {
  it('holds all that is needed to serve, wherever it lies', async () => {
    const ensemble = await Ensemble.load(members)
    await ensemble.calibrate({ pairs: PAIRS })
    const [saved, moved] = [join(folder, 'saved'), join(folder, 'moved')]
    await ensemble.save(saved)
    await ensemble.save(saved)
    await cp(saved, moved, { recursive: true })
    await rm(saved, { recursive: true })
    await using loaded = await Ensemble.load(moved)
    expect(loaded.fingerprint).toBe(ensemble.fingerprint)
    const [a, b] = [await ensemble.embed(TEXTS), await loaded.embed(TEXTS)]
    a.mean.forEach((x, i) => {
      expect(Math.abs(x - b.mean[i]!)).toBeLessThan(1e-5)
    })
    a.variance.forEach((v, i) => {
      expect(Math.abs(v - b.variance[i]!)).toBeLessThan(1e-4 * v + 1e-9)
    })
    await loaded.save(join(folder, 'again'))
    await using again = await Ensemble.load(join(folder, 'again'))
    expect(again.fingerprint).toBe(ensemble.fingerprint)
  })

  it('is refused when missing, damaged, newer, or pointing outside', async () => {
    const ensemble = await Ensemble.load(members)
    const saved = join(folder, 'refused')
    await ensemble.save(saved)
    const file = join(saved, 'ensemble.json')
    const good = await readFile(file, 'utf8')
    const refuses = async (content: string, code: string) => {
      await writeFile(file, content)
      await expect(Ensemble.load(saved), content.slice(0, 60)).rejects.toMatchObject({ code })
    }
    await refuses(good.slice(0, 100), 'ERR_FILE_CORRUPT')
    await refuses('{}', 'ERR_FILE_CORRUPT')
    await refuses(good.replace('"version": 2', '"version": 9'), 'ERR_FILE_VERSION')
    await refuses(good.replace('members/0', '../../elsewhere'), 'ERR_FILE_CORRUPT')
    await refuses(good.replace('members/0', 'members/1'), 'ERR_POSTERIOR_MISMATCH')
    await expect(Ensemble.load(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })

  it('leaves a foreign directory and a failed save alone', async () => {
    const ensemble = await Ensemble.load(members)
    const foreign = await mkdtemp(join(folder, 'foreign-'))
    await writeFile(join(foreign, 'important.txt'), 'keep me')
    const before = await readdir(folder)
    await expect(ensemble.save(foreign)).rejects.toMatchObject({ code: 'ERR_FILE_WRITE' })
    expect(await readdir(foreign)).toEqual(['important.txt'])
    expect(await readdir(folder)).toEqual(before)
  })
})

describe('load refuses', () => {
  const refuses = (source: unknown, code: string, options: unknown = {}) =>
    expect(Ensemble.load(source as never, options as never)).rejects.toMatchObject({ name: 'UecError', code })

  it('an unfitted member', () => refuses([tiny('bert-ts17')], 'ERR_NOT_FITTED'))
  it('no members', () => refuses([], 'ERR_INVALID_ARGUMENT'))
  it('members that are no encoders', () => refuses([members[0], 3], 'ERR_INVALID_ARGUMENT'))
  it('unknown options', () => refuses(members, 'ERR_INVALID_ARGUMENT', { temprature: 1 }))
  it('a temperature that is not positive', () => refuses(members, 'ERR_INVALID_ARGUMENT', { temperature: 0 }))
  it('coefficients for another number of members', () =>
    refuses(members, 'ERR_INVALID_ARGUMENT', { coefficients: [1, 2] }))
})

describe('dispose', () => {
  it('ends the members loaded from paths and leaves those handed in', async () => {
    const baked = join(folder, 'baked')
    await cp(tiny('bert-ts17'), baked, { recursive: true })
    await members[0]!.bake(join(baked, 'onnx', 'model.onnx'))
    const ensemble = await Ensemble.load([baked, members[1]!])
    await ensemble.dispose()
    await expect(ensemble.embed(['a'])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(ensemble.members[0]!.embed(['a'])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect((await members[1]!.embed(['a'])).length).toBe(1)
  })
})
