import { expect, test } from 'vitest'
import { Encoder, type EncoderOptions } from '../src/index.ts'
import { tiny } from './paths.ts'

test.each([
  [{ pooling: 3 }, /pooling/],
  [{ pooling: 'means' }, /did you mean 'mean'/],
  [{ normalize: 'yes' }, /normalize must be true or false/],
  [{ fittedOn: 'other' }, /fittedOn must be one of this, original/],
  [{ fittedOn: true }, /fittedOn/],
  [{ dimensions: 0 }, /dimensions must be an integer from 1/],
  [{ dimensions: 2.5 }, /dimensions/],
  [{ dimensions: '8' }, /dimensions/],
  [{ dimensions: 33 }, /dimensions is 33.*32 entries/],
  [{ maxTokens: 0 }, /maxTokens must be an integer from 1/],
  [{ maxTokens: -1 }, /maxTokens/],
  [{ maxTokens: 2 ** 32 }, /maxTokens/],
  [{ maxTokens: 1.5 }, /maxTokens/],
  [{ prompts: 'query: ' }, /prompts must be an object of strings/],
  [{ prompts: { query: 3 } }, /prompts\.query must be a string/],
  [{ file: 3 }, /file/],
  [{ file: '' }, /file/],
  [{ tail: { liner: 'x' } }, /'linear'/],
  [{ tail: { linear: 3 } }, /tail\.linear/],
  [{ tail: 'x' }, /tail/],
  [{ threads: 0 }, /threads must be an integer from 1 to 1024/],
  [{ threads: 1e9 }, /threads/],
  [{ threads: '2' }, /threads/],
  [{ sessions: 2 }, /one session/],
  [{ device: 'tpu' }, /device must be one of cpu, cuda/],
  [{ runtime: 3 }, /runtime/],
  [{ batching: {} }, /leave it out/],
  [{ posterior: {} }, /posterior must be a Posterior or the path/],
  [{ posterior: 3 }, /posterior/],
  [{ polling: 'mean' }, /unknown option 'polling'; did you mean 'pooling'/],
  [null, /options must be an object/],
])('Encoder.load refuses %j', async (options, message) => {
  const error = await Encoder.load(tiny('bert-ts17'), options as never).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'UecError', code: 'ERR_INVALID_ARGUMENT' })
  expect((error as Error).message).toMatch(message)
})

test.each([undefined, null, 3, '', {}])('Encoder.load refuses the path %j', (path) =>
  expect(Encoder.load(path as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' }),
)

test('undefined options count as absent', async () => {
  const options = {
    pooling: undefined,
    threads: undefined,
    posterior: undefined,
    tail: {},
  } as unknown as EncoderOptions
  await using encoder = await Encoder.load(tiny('bert-ts17'), options)
  expect(encoder.info.pooling).toBe('mean')
})

test('prompts may have any name, and belong to one encoder', async () => {
  const names = ['query', '__proto__', 'constructor', 'toString', '']
  const prompts = Object.fromEntries(names.map((name) => [name, `${name} says `]))
  const loading = Encoder.load(tiny('bert-ts17'), { prompts })
  prompts.query = 'changed later '
  await using encoder = await loading
  await using plain = await Encoder.load(tiny('bert-ts17'))
  for (const prompt of names.slice(0, 4)) {
    const got = await encoder.embed(['hello'], { prompt })
    expect(got.mean, prompt).toEqual((await plain.embed([`${prompt} says hello`])).mean)
    await expect(plain.embed(['hello'], { prompt })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  }
  expect(({} as Record<string, unknown>).says).toBeUndefined()
})

test.each([{ prompt: 3 }, { prompt: '' }, { onProgress: true }, { signal: {} }, null])(
  'embed refuses %j',
  async (options) => {
    await using encoder = await Encoder.load(tiny('bert-ts17'))
    await expect(encoder.embed(['a'], options as never)).rejects.toMatchObject({
      name: 'UecError',
      code: 'ERR_INVALID_ARGUMENT',
    })
  },
)
