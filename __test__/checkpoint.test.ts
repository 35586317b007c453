// Fits that break off and go on. What the file holds, and which files are refused, is tested in crates/encoder/tests/checkpoint.rs.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Encoder, type FitOptions, type Pair, type Posterior, type Progress } from '../src/index.ts'
import { tiny } from './paths.ts'

const WORDS =
  'plane river child music winter garden horse letter market window doctor bread island engine school paper'.split(
    ' ',
  )
const word = (i: number) => WORDS[i % WORDS.length]!
const TEXTS = Array.from(
  { length: 170 },
  (_, i) => `the ${word(i)} and the ${word(3 * i + 1)} near a ${word(7 * i + 2)} ${i}`,
)
const PAIRS: Pair[] = TEXTS.map((text, i) => ({
  query: text,
  positive: `${text} again ${word(i + 5)}`,
  ...(i % 3 === 0 && { negatives: [`a ${word(i + 1)} ${i}`] }),
}))
const SMALL: FitOptions = { batchSize: 8, checkpointSeconds: 0 }

let folder: string
let encoder: Encoder
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uec-checkpoint-'))
  encoder = await Encoder.load(tiny('bert-ts17'))
})
afterAll(async () => {
  await encoder.dispose()
  await rm(folder, { recursive: true })
})

async function bytesOf(posterior: Posterior): Promise<Buffer> {
  const file = join(folder, 'posterior')
  await posterior.save(file)
  return readFile(file)
}

/** The items up to `count`, then an error. */
async function* breakingOff<T>(items: readonly T[], count: number): AsyncGenerator<T> {
  yield* items.slice(0, count)
  throw new Error('the source broke off')
}

async function* streamed<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

it.each([
  ['pairs', PAIRS],
  ['texts', TEXTS],
] as const)('goes on bit for bit where the source of %s broke off', async (kind, items) => {
  const options = { ...SMALL, checkpoint: join(folder, `broken-${kind}`) }
  const data = items as readonly (Pair | string)[]
  const whole = await bytesOf(await encoder.fit(data, SMALL))
  for (const count of [100, 150])
    await expect(encoder.fit(breakingOff(data, count), options)).rejects.toThrow('broke off')
  const seen: Progress[] = []
  const resumed = await encoder.fit(streamed(data), {
    ...options,
    onProgress: (progress) => seen.push(progress),
  })
  expect(await bytesOf(resumed)).toEqual(whole)
  // Chunks of 64: the first 128 items were fitted, in batches of 8 of which two more pairs must be there.
  expect(seen[0]).toEqual({ phase: 'resume', done: 120 })
  expect(seen.slice(1).map(({ done }) => done)).toEqual([128, 170, 170])
  const again: Progress[] = []
  expect(
    await bytesOf(await encoder.fit(data, { ...options, onProgress: (progress) => again.push(progress) })),
  ).toEqual(whole)
  expect(again[0]).toEqual({ phase: 'resume', done: 168, total: 170 })
})

it('keeps what was done before a bad item or an abort', async () => {
  const whole = await bytesOf(await encoder.fit(PAIRS, SMALL))
  for (const [name, end] of [
    ['bad', 'bad'],
    ['aborted', 'abort'],
  ] as const) {
    const options = { ...SMALL, checkpoint: join(folder, name), checkpointSeconds: 3600 }
    const controller = new AbortController()
    const reason = new Error('stop')
    async function* source(): AsyncGenerator<Pair> {
      yield* PAIRS.slice(0, 140)
      if (end === 'bad') yield { query: 'no positive' } as Pair
      // Long enough for the chunks to be fitted.
      await new Promise((resolve) => setTimeout(resolve, 1000))
      controller.abort(reason)
      await new Promise(() => {})
    }
    const fit = encoder.fit(source(), { ...options, signal: controller.signal })
    if (end === 'bad') await expect(fit).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    else await expect(fit).rejects.toBe(reason)
    await expect.poll(() => readdir(folder)).toContain(name)
    const seen: Progress[] = []
    const onProgress = (progress: Progress) => seen.push(progress)
    expect(await bytesOf(await encoder.fit(PAIRS, { ...options, onProgress }))).toEqual(whole)
    expect(seen[0]).toEqual({ phase: 'resume', done: 120, total: 170 })
  }
})

it('refuses other data, options, encoders and files, and writes over none of them', async () => {
  const options = { ...SMALL, checkpoint: join(folder, 'refused') }
  await encoder.fit(PAIRS.slice(0, 40), options)
  const before = await readFile(options.checkpoint)
  const refused = async (fit: Promise<unknown>, code: string, message: RegExp) => {
    await expect(fit).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await readFile(options.checkpoint)).toEqual(before)
  }
  const reversed = PAIRS.slice(0, 40).reverse()
  await refused(encoder.fit(reversed, options), 'ERR_INVALID_ARGUMENT', /belongs to other data, at item 32/)
  await refused(encoder.fit(TEXTS, options), 'ERR_INVALID_ARGUMENT', /belongs to other data, at item 32/)
  await refused(
    encoder.fit(PAIRS, { ...options, batchSize: 16 }),
    'ERR_INVALID_ARGUMENT',
    /batchSize 8, this fit has 16/,
  )
  await using other = await Encoder.load(tiny('bert-ts14'))
  await refused(other.fit(PAIRS, options), 'ERR_POSTERIOR_MISMATCH', /another encoder/)

  const file = join(folder, 'texts.txt')
  await writeFile(file, TEXTS.join('\n'))
  await expect(encoder.fit(PAIRS, { checkpoint: file })).rejects.toMatchObject({ code: 'ERR_FILE_CORRUPT' })
  expect(await readFile(file, 'utf8')).toBe(TEXTS.join('\n'))
  await expect(encoder.fit(PAIRS, { checkpoint: join(folder, 'no', 'folder') })).rejects.toMatchObject({
    code: 'ERR_FILE_WRITE',
  })
  for (const bad of [{ checkpoint: 3 }, { checkpointSeconds: -1 }, { checkpointSeconds: Number.NaN }])
    await expect(encoder.fit(PAIRS, bad as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
})

it('lets a last pair join the batch before, wherever the chunks end', async () => {
  // 8·8 + 1: the last pair comes in a chunk of its own.
  const sixtyFive = PAIRS.slice(0, 65)
  const joined = await encoder.fit(sixtyFive, { batchSize: 8 })
  const streamedOne = await encoder.fit(streamed(sixtyFive), { batchSize: 8 })
  expect(await bytesOf(joined)).toEqual(await bytesOf(streamedOne))
  const first = await encoder.fit(PAIRS.slice(0, 56), { batchSize: 8 })
  const last = await encoder.fit(PAIRS.slice(56, 65), { batchSize: 9 })
  const loss = (56 * first.loss + 9 * last.loss) / 65
  expect(Math.abs(joined.loss / loss - 1)).toBeLessThan(1e-6)
  expect(joined.pairs).toBe(65)
})
