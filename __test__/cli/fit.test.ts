/** `uec fit` and `uec posterior`: options, breaks, shards and changes. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tiny } from '../paths.ts'
import { start, uec } from './command.ts'
import { temporaryFolder } from './temporary.ts'

const MODEL = tiny('bert-ts17')
const WORDS = ['man', 'woman', 'boy', 'girl', 'cat', 'dog', 'horse', 'guitar', 'piano', 'ball', 'bread']
const word = (i: number) => WORDS[i % WORDS.length]!
const PAIRS = Array.from({ length: 72 }, (_, i) => ({
  query: `the ${word(i)} with the ${word(3 * i + 1)} and a ${word(5 * i + 2)} ${i}`,
  positive: `someone, a ${word(i)}, has the ${word(3 * i + 1)} ${i}`,
  negatives: [`a ${word(i + 1)} ${i}`, `no ${word(i + 2)}`].slice(0, i % 3),
}))
const jsonl = PAIRS.map((pair) => JSON.stringify(pair)).join('\n')

function workspace() {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'pairs.jsonl'), jsonl)
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await uec([...args, '--json'], { cwd })
    if (code !== 0) throw new Error(`uec ${args.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
  const bytes = (name: string) => readFileSync(join(cwd, name))
  return { cwd, run, bytes }
}

test('hard negatives are the same from JSONL, CSV and TSV, and every option reaches the fit', async () => {
  const { cwd, run, bytes } = workspace()
  for (const [name, separator] of [
    ['pairs.csv', ','],
    ['pairs.tsv', '\t'],
  ] as const) {
    const quote = (text: string) => (separator === ',' ? `"${text}"` : text)
    const rows = PAIRS.map(({ query, positive, negatives: [one = '', two = ''] }) =>
      [query, positive, one, two].map(quote).join(separator),
    )
    const header = ['query', 'positive', 'negative1', 'negative2'].join(separator)
    writeFileSync(join(cwd, name), [header, ...rows].join('\n'))
  }
  const bare = PAIRS.map(({ query, positive }) => JSON.stringify({ query, positive }))
  writeFileSync(join(cwd, 'bare.jsonl'), bare.join('\n'))
  for (const [name, input] of Object.entries({
    a: 'pairs.jsonl',
    b: 'pairs.csv',
    c: 'pairs.tsv',
    d: 'bare.jsonl',
  }))
    await run('fit', MODEL, input, '-o', name, '--batch-size', '8')
  expect(bytes('b')).toEqual(bytes('a'))
  expect(bytes('c')).toEqual(bytes('a'))
  expect(bytes('d')).not.toEqual(bytes('a'))

  const options = {
    curvature: 'ggn',
    sides: 'query',
    similarity: 'dot',
    temperature: '0.5',
    'laplace-temperature': '2',
    tail: 'first-order',
  }
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  const made = await run('fit', MODEL, 'pairs.jsonl', '-o', 'e', '--batch-size', '9', ...flags)
  const { settings, ...told } = await run('posterior', 'info', 'e')
  const { seconds: _, posterior, ...fields } = made
  expect(told).toMatchObject({ ...fields, posterior, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) })
  expect(settings).toMatchObject({
    curvature: 'ggn',
    sides: 'query',
    similarity: 'dot',
    temperature: '0.5',
    laplace_temperature: '2',
    tail: 'first-order',
    'fit.batch_size': '9',
  })
  const fixed = await run(
    'fit',
    MODEL,
    'pairs.jsonl',
    '-o',
    'f',
    '--prior-precision',
    '0.25',
    '--scale',
    'none',
  )
  expect(fixed).toMatchObject({ priorPrecision: 0.25, scale: 1 })
})

test('shards are merged, and a prior is changed, by uec posterior', async () => {
  const { cwd, run, bytes } = workspace()
  const lines = jsonl.split('\n')
  writeFileSync(join(cwd, '1.jsonl'), lines.slice(0, 32).join('\n'))
  writeFileSync(join(cwd, '2.jsonl'), lines.slice(32).join('\n'))
  const shard = (input: string, output: string) => run('fit', MODEL, input, '-o', output, '--batch-size', '8')
  const whole = await shard('pairs.jsonl', 'whole')
  await shard('1.jsonl', 'first')
  await shard('2.jsonl', 'second')
  const merged = await run('posterior', 'merge', 'first', 'second', '-o', 'merged')
  for (const name of ['pairs', 'loss', 'accuracy', 'priorPrecision', 'scale', 'effectiveParameters'])
    expect(Math.abs(merged[name] / whole[name] - 1), name).toBeLessThan(1e-6)
  await run('posterior', 'merge', 'second', 'first', '-o', 'other-order')
  expect(bytes('other-order')).toEqual(bytes('merged'))

  const changed = ['--prior-precision', 'marglik', '--laplace-temperature', '3']
  const made = await run('posterior', 'with', 'whole', '-o', 'changed', ...changed)
  const direct = await run('fit', MODEL, 'pairs.jsonl', '-o', 'direct', '--batch-size', '8', ...changed)
  expect(bytes('changed')).toEqual(bytes('direct'))
  expect(made.priorPrecision).toBe(direct.priorPrecision)

  const shown = await uec(['posterior', 'info', 'first'], { cwd })
  expect(shown.stdout).toMatch(/pairs +32, mean loss .*\n.*prior precision/)
  expect(shown.stdout).toMatch(/fit\.batch_size +8/)
  for (const [args, code, message] of [
    [['merge', 'first', 'pairs.jsonl', '-o', 'x'], 1, 'ERR_FILE_CORRUPT'],
    [['merge', 'first', 'second', '-o', 'first'], 2, 'this is an input'],
    [['with', 'first', '-o', './first'], 2, 'this is an input'],
    [['with', 'first', '-o', 'x', '--scale', '0'], 2, 'a number > 0'],
    [['info', 'nowhere'], 1, 'ERR_FILE_NOT_FOUND'],
    [['split', 'first'], 2, 'unknown command'],
  ] as const) {
    const outcome = await uec(['posterior', ...args], { cwd })
    expect([outcome.code, outcome.stdout]).toEqual([code, ''])
    expect(outcome.stderr).toContain(message)
  }
  expect(existsSync(join(cwd, 'x'))).toBe(false)
})

test('a fit from standard input that was killed goes on from its checkpoint, which goes away', async () => {
  const { cwd, bytes } = workspace()
  const args = ['fit', MODEL, '-', '--format', 'jsonl', '--batch-size', '8', '-o']
  const direct = await uec([...args, 'direct'], { cwd, input: jsonl })
  expect(direct.code).toBe(0)
  expect(direct.stderr).toMatch(/: 72 pairs, \d+\.\d s\n/)

  const saving = [...args, 'resumed', '--checkpoint', 'fit.checkpoint', '--checkpoint-seconds', '0']
  const { child, outcome } = start(saving, cwd)
  child.stdin!.write(`${jsonl}\n`)
  // Standard input stays open; the checkpoint comes with the first chunk of 64.
  await expect.poll(() => existsSync(join(cwd, 'fit.checkpoint')), { timeout: 20_000 }).toBe(true)
  child.kill('SIGKILL')
  await outcome
  expect(existsSync(join(cwd, 'resumed'))).toBe(false)

  const over = await uec([...args.slice(0, -1), '-o', 'pairs.jsonl', '--checkpoint', 'pairs.jsonl'], { cwd })
  expect([over.code, bytes('pairs.jsonl').toString()]).toEqual([2, jsonl])
  const other = await uec(saving, { cwd, input: jsonl.replace('with', 'and') })
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('belongs to other data')])

  const resumed = await uec(saving, { cwd, input: jsonl })
  expect([resumed.code, resumed.stderr]).toEqual([
    0,
    expect.stringMatching(/Going on at pair \d+, from fit\.checkpoint\n/),
  ])
  expect(bytes('resumed')).toEqual(bytes('direct'))
  expect(
    readdirSync(cwd)
      .filter((name) => !name.startsWith('.uec-'))
      .sort(),
  ).toEqual(['direct', 'pairs.jsonl', 'resumed'])
})
