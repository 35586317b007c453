// Uncertainties of the caller's own in calibrations.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CustomUncertainty, Encoder, Ensemble, type Pair } from '../src/index.ts'
import { tiny } from './paths.ts'

const WORDS = 'man woman boy girl cat dog horse monkey guitar piano ball bread flute onion potato rope'.split(
  ' ',
)
const word = (i: number) => WORDS[i % WORDS.length]!
const TEXTS = Array.from({ length: 80 }, (_, i) => `the ${word(i)} and the ${word(3 * i + 1)} with ${i}`)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({ query: text, positive: `${text} again ${word(i + 5)}` }))

let folder: string
let members: Encoder[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-uncertainty-'))
  members = await Promise.all(
    ['bert-ts17', 'bert-cls'].map(async (name) => {
      await using plain = await Encoder.load(tiny(name))
      return Encoder.load(tiny(name), { posterior: await plain.fit(PAIRS.slice(0, 32)) })
    }),
  )
})
afterAll(async () => {
  await Promise.all(members.map((member) => member.dispose()))
  await rm(folder, { recursive: true })
})

const source = <Name extends string>(
  name: Name,
  of: CustomUncertainty['of'],
): readonly CustomUncertainty<Name>[] => [{ name, of }]
const length = source('length', (texts) => texts.map((text) => text.length))
const invalid = { name: 'UecError', code: 'ERR_INVALID_ARGUMENT' }

describe('a source of your own', () => {
  it('is asked about each member, and weights the mixture as the formula says', async () => {
    const asked: unknown[] = []
    const uncertainty = source('mine', async (texts, member, batch) => {
      asked.push([texts.length, member, batch.length])
      return Float32Array.from(texts, (text) => (member === 0 ? text.length : 40))
    })
    const coefficients = { sources: ['mine'], bias: [0.2, -0.2], power: [2], loss: 0, pairs: 10 } as const
    await using ensemble = await Ensemble.load(members, { uncertainty, coefficients })
    const batch = await ensemble.embed(TEXTS)
    expect(asked).toEqual([
      [80, 0, 80],
      [80, 1, 80],
    ])
    for (const [i, text] of TEXTS.entries()) {
      const [a, b] = [Math.exp(0.2) * text.length ** -2, Math.exp(-0.2) * 40 ** -2]
      expect(batch.coefficients[2 * i]).toBeCloseTo(a / (a + b), 5)
    }
    expect((await ensemble.embed([])).length).toBe(0)
    expect(asked).toHaveLength(2)
  })

  it('competes in the choice: a constant is never chosen', async () => {
    const uncertainty = source('constant', (texts) => new Array(texts.length).fill(3))
    await using ensemble = await Ensemble.load(members, { uncertainty })
    const alone = (await ensemble.calibrate({ pairs: PAIRS }, { sources: ['constant'] }))!
    expect(alone.sources).toEqual([])
    const all = (await ensemble.calibrate({ pairs: PAIRS }))!
    expect(all.sources).not.toContain('constant')
  })

  it('is known by its name in a saved calibration, and needed again', async () => {
    const own = source('told', (texts, member) => texts.map(() => (member === 0 ? 1 : 5)))
    await using ensemble = await Ensemble.load(members, { uncertainty: own })
    const calibration = {
      sources: ['told'],
      bias: [0, 0],
      power: [1],
      loss: 0,
      pairs: 10,
    } as const
    await using calibrated = await Ensemble.load(members, { uncertainty: own, coefficients: calibration })
    expect(calibrated.fingerprint).not.toBe(ensemble.fingerprint)
    const saved = join(folder, 'told')
    await calibrated.save(saved)
    await expect(Ensemble.load(saved)).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining("'told'"),
    })
    await using again = await Ensemble.load(saved, { uncertainty: own })
    expect(again.fingerprint).toBe(calibrated.fingerprint)
    expect((await again.embed(['a'])).coefficients[0]).toBeCloseTo(5 / 6, 5)
  })

  it('may throw: the call rejects with that, and nothing changes', async () => {
    const reason = new TypeError('no idea')
    for (const of of [
      () => {
        throw reason
      },
      () => Promise.reject(reason),
    ]) {
      await using ensemble = await Ensemble.load(members, { uncertainty: source('mine', of) })
      const before = ensemble.fingerprint
      await expect(ensemble.calibrate({ pairs: PAIRS })).rejects.toBe(reason)
      expect(ensemble.fingerprint).toBe(before)
      await ensemble.embed(TEXTS) // the rule in use does not look at it
    }
  })

  it.each([
    ['too few', () => [1], /80 numbers/],
    ['no array', () => 3, /80 numbers/],
    ['nothing', () => undefined, /80 numbers/],
    ['zero', (texts: string[]) => texts.map((_, i) => (i === 7 ? 0 : 1)), /text 7 has 0/],
    ['NaN', (texts: string[]) => texts.map(() => Number.NaN), /text 0 has NaN/],
    ['infinite', (texts: string[]) => texts.map(() => Infinity), /text 0 has Infinity/],
    ['words', (texts: string[]) => texts, /text 0 has 'the/],
  ])('whose answer is %s is refused', async (_, of, message) => {
    await using ensemble = await Ensemble.load(members, { uncertainty: source('mine', of as never) })
    const error = await ensemble.calibrate({ pairs: PAIRS }).catch((reason: unknown) => reason)
    expect(error).toMatchObject(invalid)
    expect((error as Error).message).toMatch(message)
    expect((error as Error).message).toContain("'mine' of member 0")
  })

  it('is aborted while it is waited for', async () => {
    const controller = new AbortController()
    const never = source('mine', () => {
      setTimeout(() => controller.abort('enough'))
      return new Promise(() => {})
    })
    await using ensemble = await Ensemble.load(members, { uncertainty: never })
    await expect(ensemble.calibrate({ pairs: PAIRS }, { signal: controller.signal })).rejects.toBe('enough')
  })
})

describe('the option', () => {
  it.each([
    [3, /array/],
    [[3], /name/],
    [[{ name: 'a' }], /function/],
    [[{ name: '', of: length[0]!.of }], /not empty/],
    [[{ name: 'trace', of: length[0]!.of }], /already/],
    [[...length, ...length], /already/],
    [[{ ...length[0], extra: 1 }], /unknown option/],
  ])('refuses %#', async (uncertainty, message) => {
    const error = await Ensemble.load(members, { uncertainty } as never).catch((reason: unknown) => reason)
    expect(error).toMatchObject(invalid)
    expect((error as Error).message).toMatch(message)
  })

  it('at most six sources compete, and unknown ones are named', async () => {
    const many = ['a', 'b', 'c', 'd'].map((name) => ({ name, of: length[0]!.of }))
    await using ensemble = await Ensemble.load(members, { uncertainty: many })
    await expect(ensemble.calibrate({ pairs: PAIRS })).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining('at most 6'),
    })
    await expect(ensemble.calibrate({ pairs: PAIRS }, { sources: ['e'] })).rejects.toMatchObject(invalid)
    const chosen = (await ensemble.calibrate({ pairs: PAIRS }, { sources: ['trace', 'a'] }))!
    expect(chosen.power.every((p) => p >= 0)).toBe(true)
  })
})
