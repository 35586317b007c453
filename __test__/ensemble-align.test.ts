// Members of other spaces or dimensions, brought into one.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { convolve, Encoder, Ensemble, type Pair } from '../src/index.ts'
import { MINILM, tiny } from './paths.ts'

const WORDS = 'man woman boy girl cat dog horse monkey guitar piano ball bread flute onion potato rope'.split(
  ' ',
)
const word = (i: number) => WORDS[i % WORDS.length]!
const TEXTS = Array.from(
  { length: 96 },
  (_, i) => `the ${word(i)} and the ${word(3 * i + 1)} with a ${word(i >> 4)} ${i}`,
)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({ query: text, positive: `${text} and a ${word(i + 5)}` }))

async function fitted(path: string): Promise<Encoder> {
  await using plain = await Encoder.load(path)
  return Encoder.load(path, { posterior: await plain.fit(PAIRS.slice(0, 32)) })
}

let folder: string
/** Two of dimension 32, one of 384. */
let members: Encoder[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-align-'))
  members = await Promise.all([tiny('bert-ts17'), tiny('bert-cls'), MINILM].map(fitted))
})
afterAll(async () => {
  await Promise.all(members.map((member) => member.dispose()))
  await rm(folder, { recursive: true })
})

const invalid = { name: 'UecError', code: 'ERR_INVALID_ARGUMENT' }
const aligned = (options: object = {}) =>
  Ensemble.load(members, { align: 'procrustes', anchors: TEXTS, ...options })

const pair = (options: object) => Ensemble.load(members.slice(0, 2), { align: 'procrustes', ...options })

describe('without alignment', () => {
  it('members of other dimensions are refused, with the way out', async () => {
    await expect(Ensemble.load(members)).rejects.toMatchObject({
      code: 'ERR_DIMENSION_MISMATCH',
      message: expect.stringContaining("align: 'procrustes'"),
    })
  })

  it.each([
    [{ align: 'procrustes' }, /needs anchors/],
    [{ anchors: TEXTS }, /belong to align/],
    [{ align: 'none', reference: 1 }, /belong to align/],
    [{ align: 'procrustes', anchors: 'a text' }, /array/],
    [{ align: 'procrustes', anchors: ['one'] }, /at least 2/],
    [{ align: 'procrustes', anchors: [TEXTS, TEXTS] }, /3 members/],
    [{ align: 'procrustes', anchors: [TEXTS, TEXTS, TEXTS.slice(1)] }, /96, 96, 95/],
    [{ align: 'procrustes', anchors: ['a', 3] }, /texts\[1\]/],
    [{ align: 'procrustes', anchors: TEXTS, reference: 3 }, /from 0 to 2/],
    [{ align: 'orthogonal', anchors: TEXTS }, /did you mean/],
  ])('refuses the options %#', async (options, message) => {
    const error = await Ensemble.load(members, options as never).catch((reason: unknown) => reason)
    expect(error).toMatchObject(invalid)
    expect((error as Error).message).toMatch(message)
  })
})

describe('align', () => {
  it('gives mixtures of the dimension of the reference, by the formula', async () => {
    for (const reference of [0, 2]) {
      await using ensemble = await aligned({ reference, coefficients: 'uniform', normalize: false })
      const { dimension } = members[reference]!
      expect(ensemble.dimension).toBe(dimension)
      const batch = await ensemble.embed(TEXTS.slice(0, 3))
      expect([batch.dimension, batch.mean.length]).toEqual([dimension, 3 * dimension])
      expect(batch.mean.every(Number.isFinite) && batch.variance.every((v) => v >= 0)).toBe(true)
      expect(ensemble.alignment!.map((fit) => fit?.anchors)).toEqual(
        [0, 1, 2].map((k) => (k === reference ? undefined : TEXTS.length)),
      )
      const saved = join(folder, `formula-${reference}`)
      await ensemble.save(saved)
      const { alignment } = JSON.parse(await readFile(join(saved, 'ensemble.json'), 'utf8'))
      const parts = await Promise.all(members.map((member) => member.embed(TEXTS.slice(0, 3))))
      for (let d = 0; d < dimension; d += 7) {
        let [mean, variance] = [0, 0]
        for (const [k, part] of parts.entries()) {
          const row = part.at(1)
          const map = alignment.members[k]
          if (!map) {
            mean += row.mean[d]! / 3
            variance += row.variance[d]! / 9
            continue
          }
          const A = new Float32Array(new Uint8Array(Buffer.from(map.matrix, 'base64')).buffer)
          row.mean.forEach((m, e) => {
            const a = A[d * map.columns + e]!
            mean += (a * m) / 3
            variance += (a * a * row.variance[e]!) / 9
          })
        }
        expect(Math.abs(batch.at(1).mean[d]! - mean)).toBeLessThan(1e-5)
        expect(Math.abs(batch.at(1).variance[d]! - variance)).toBeLessThan(1e-5 * variance + 1e-9)
      }
    }
  })

  it('changes nothing where the spaces are equal', async () => {
    const twice = [members[0]!, members[0]!]
    await using plain = await Ensemble.load(twice)
    await using ensemble = await Ensemble.load(twice, { align: 'procrustes', anchors: TEXTS })
    const [a, b] = [await plain.embed(TEXTS), await ensemble.embed(TEXTS)]
    expect(Math.max(...a.mean.map((x, i) => Math.abs(x - b.mean[i]!)))).toBeLessThan(1e-3)
    expect(ensemble.alignment![1]!.cosine).toBeGreaterThan(0.9999)
    expect(ensemble.fingerprint).not.toBe(plain.fingerprint)
  })

  it('takes coefficients from the variances before it', async () => {
    await using ensemble = await aligned({ temperature: 0.3, reference: 2 })
    const batch = await ensemble.embed(TEXTS)
    const traces = (await Promise.all(members.map((member) => member.embed(TEXTS)))).map((part) =>
      part.traces(),
    )
    for (let i = 0; i < TEXTS.length; i++) {
      const weights = traces.map((trace) => Math.exp(-trace[i]! / 0.3))
      const total = weights.reduce((sum, w) => sum + w)
      weights.forEach((w, k) => {
        expect(batch.coefficients[3 * i + k]).toBeCloseTo(w / total, 5)
      })
    }
  })

  it('takes a list of anchors for each member', async () => {
    await using one = await pair({ anchors: TEXTS })
    await using two = await pair({ anchors: [TEXTS, TEXTS] })
    expect(two.fingerprint).toBe(one.fingerprint)
    const others = TEXTS.map((text) => `${text} again`)
    await using translated = await pair({ anchors: [TEXTS, others] })
    expect(translated.fingerprint).not.toBe(one.fingerprint)
  })

  it('reads its anchors before it loads anything, and never again', async () => {
    for (const options of [{ anchors: ['one'] }, { anchors: TEXTS, reference: 2 }, { anchors: [TEXTS, []] }])
      await expect(
        Ensemble.load(['/nowhere', '/nowhere'], { align: 'procrustes', ...options }),
        JSON.stringify(options),
      ).rejects.toMatchObject(invalid)
    const anchors = [...TEXTS]
    const loading = pair({ anchors })
    anchors.fill('another text')
    await using ensemble = await loading
    await using expected = await pair({ anchors: TEXTS })
    expect(ensemble.fingerprint).toBe(expected.fingerprint)
  })

  it('of a single member leaves it as it is', async () => {
    await using alone = await Ensemble.load(members.slice(0, 1), { align: 'procrustes', anchors: [TEXTS] })
    await using plain = await Ensemble.load(members.slice(0, 1))
    expect((await alone.embed(TEXTS)).mean).toEqual((await plain.embed(TEXTS)).mean)
    expect(alone.alignment).toEqual([undefined])
  })

  it('works with fewer anchors than dimensions', async () => {
    await using ensemble = await pair({ anchors: TEXTS.slice(0, 5) })
    const { mean } = await ensemble.embed(TEXTS)
    expect(mean.every(Number.isFinite)).toBe(true)
  })

  it('is aborted while it fits', async () => {
    const controller = new AbortController()
    const loading = aligned({ signal: controller.signal })
    setTimeout(() => controller.abort('enough'), 5)
    await expect(loading).rejects.toBe('enough')
  })

  it('calibrates in the space of the reference', async () => {
    await using ensemble = await aligned()
    const calibration = (await ensemble.calibrate({ pairs: PAIRS }))!
    expect(calibration.bias).toHaveLength(3)
    expect(Number.isFinite(calibration.loss)).toBe(true)
  })
})

describe('a saved alignment', () => {
  it('is kept, may be left out, and is a part of the fingerprint', async () => {
    await using ensemble = await aligned({ reference: 1 })
    const saved = join(folder, 'saved')
    await ensemble.save(saved)
    for (const options of [{}, { align: 'procrustes' as const }]) {
      await using loaded = await Ensemble.load(saved, options)
      expect(loaded.fingerprint).toBe(ensemble.fingerprint)
      expect(loaded.alignment).toEqual(ensemble.alignment)
      expect(loaded.dimension).toBe(32)
    }
    await expect(Ensemble.load(saved, { align: 'none' })).rejects.toMatchObject({
      code: 'ERR_DIMENSION_MISMATCH',
    })
    await expect(Ensemble.load(saved, { align: 'procrustes', reference: 0 })).rejects.toMatchObject(invalid)
    await using again = await Ensemble.load(saved, {
      align: 'procrustes',
      anchors: TEXTS.slice(9),
      reference: 1,
    })
    expect(again.fingerprint).not.toBe(ensemble.fingerprint)
  })

  it('that is damaged is refused', async () => {
    const saved = join(folder, 'damaged')
    await (await pair({ anchors: TEXTS })).save(saved)
    const file = join(saved, 'ensemble.json')
    const good = await readFile(file, 'utf8')
    const zeros = Buffer.alloc(4 * 32 * 32).toString('base64')
    const nan = Buffer.from(new Float32Array(32 * 32).fill(Number.NaN).buffer).toString('base64')
    const damages: ((alignment: { reference: unknown; members: Record<string, unknown>[] }) => unknown)[] = [
      (a) => (a.reference = 7),
      (a) => a.members.pop(),
      (a) => (a.members[1]!.rows = 31),
      (a) => (a.members[1]!.matrix = 'AAAA'),
      (a) => (a.members[1]!.matrix = zeros),
      (a) => (a.members[1]!.matrix = nan),
      (a) => (a.members[1]!.cosine = 'high'),
      (a) => (a.members[1]!.anchors = -1),
      (a) => (a.members[1] = null as never),
      (a) => (a.members[0] = a.members[1]!),
    ]
    for (const damage of damages) {
      const content = JSON.parse(good)
      damage(content.alignment)
      await writeFile(file, JSON.stringify(content))
      await expect(Ensemble.load(saved), damage.toString()).rejects.toMatchObject({
        code: 'ERR_FILE_CORRUPT',
      })
    }
  })
})

it('an ensemble without alignment mixes as convolve does', async () => {
  const two = members.slice(0, 2)
  await using ensemble = await Ensemble.load(two, { temperature: 1 })
  const [batch, parts] = [await ensemble.embed(TEXTS), await Promise.all(two.map((m) => m.embed(TEXTS)))]
  expect(batch.mean).toEqual((await convolve(parts, { temperature: 1 })).gaussians.mean)
  expect(ensemble.alignment).toBeUndefined()
})
