/** `uec ensemble` on miniature encoders. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tiny } from '../paths.ts'
import { uec } from './command.ts'
import { temporaryFolder } from './temporary.ts'

const MODELS = [tiny('bert-ts17'), tiny('bert-cls')]
const WHO = ['man', 'woman', 'boy', 'girl', 'cat', 'dog', 'horse', 'monkey']
const WHAT = ['guitar', 'piano', 'ball', 'bread', 'flute', 'onion', 'potato', 'rope']
const sentences = WHO.flatMap((who) => WHAT.map((what) => `the ${who} with the ${what}`))

async function workspace() {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'texts.txt'), sentences.join('\n'))
  writeFileSync(join(cwd, 'others.txt'), sentences.map((text) => `${text} again`).join('\n'))
  const run = (...args: string[]) => uec(args, { cwd })
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, '--json')
    if (code !== 0) throw new Error(`uec ${args.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
  for (const [k, model] of MODELS.entries()) await json('fit', model, 'texts.txt', '-o', `${k}.safetensors`)
  return { cwd, run, json, members: MODELS.map((model, k) => `${model}=${k}.safetensors`) }
}

test('make, inspect, verify, calibrate', async () => {
  const { cwd, run, json, members } = await workspace()
  const made = await json('ensemble', 'make', ...members, '-o', 'both', '--temperature', '0.5')
  expect(made).toMatchObject({ ensemble: 'both', members: 2, dimension: 32, temperature: 0.5 })

  const seen = await json('ensemble', 'inspect', 'both')
  expect(seen).toMatchObject({ version: 2, coefficients: 'softmax-trace', temperature: 0.5, normalize: true })
  expect(seen.dimension).toBe(32)
  expect(seen.fingerprint).toBe(made.fingerprint)
  expect(seen.members.map((member: { name: string }) => member.name)).toEqual(['bert-ts17', 'bert-cls'])
  expect(seen.members[0]).toMatchObject({ path: 'members/0', dimension: 32, tail: 'plain' })
  expect(seen.bytes).toBeGreaterThan(100_000)
  const shown = await run('ensemble', 'inspect', 'both')
  expect(shown.code).toBe(0)
  for (const part of [
    'format 2',
    'softmax-trace',
    '0.5000',
    'of dimension 32, of unit length',
    made.fingerprint,
    'bert-cls (dimension 32, tail plain, λ ',
  ])
    expect(shown.stdout).toContain(part)

  expect(await json('ensemble', 'verify', 'both')).toEqual({ ensemble: 'both', whole: true, problems: [] })
  expect((await run('ensemble', 'verify', 'both')).stdout).toBe('both: whole\n')

  writeFileSync(
    join(cwd, 'pairs.jsonl'),
    sentences.map((text) => JSON.stringify({ query: text, positive: `${text} here` })).join('\n'),
  )
  const calibrated = await json('calibrate', 'both', '--pairs', 'pairs.jsonl')
  const after = await json('ensemble', 'inspect', 'both')
  expect(after.coefficients).toEqual(calibrated.calibration)
  expect(after.fingerprint).toBe(calibrated.fingerprint)
  expect((await run('ensemble', 'inspect', 'both')).stdout).toContain(
    'coefficients  calibrated\n  pairs         64',
  )

  const weights = await json('ensemble', 'make', ...members, '-o', 'fixed', '--coefficients', '0.7,0.3')
  expect((await json('ensemble', 'inspect', 'fixed')).coefficients).toEqual([0.7, 0.3])
  expect(weights.fingerprint).not.toBe(made.fingerprint)
})

test('make with alignment, on one list of anchors or one for each member', async () => {
  const { run, json, members } = await workspace()
  const align = ['--align', 'procrustes', '--anchors']
  const made = await json(
    'ensemble',
    'make',
    ...members,
    '-o',
    'one',
    '--reference',
    '1',
    ...align,
    'texts.txt',
  )
  expect(made.alignment[0].anchors).toBe(64)
  expect(made.alignment[1]).toBeNull()
  const seen = await json('ensemble', 'inspect', 'one')
  expect(seen.fingerprint).toBe(made.fingerprint)
  expect(seen.members[0].alignment).toMatchObject({ rows: 32, columns: 32, anchors: 64 })
  expect((await run('ensemble', 'inspect', 'one')).stdout).toMatch(
    /aligned 32×32 on 64 anchors, mean cosine \d/,
  )
  expect((await json('ensemble', 'verify', 'one')).whole).toBe(true)
  const other = await json('ensemble', 'make', ...members, '-o', 'two', ...align, 'texts.txt', 'others.txt')
  expect(other.fingerprint).not.toBe(made.fingerprint)
})

test('few anchors are warned of, a member without variances is named with the way out', async () => {
  const { cwd, run, members } = await workspace()
  writeFileSync(join(cwd, 'few.txt'), sentences.slice(0, 8).join('\n'))
  const few = await run(
    'ensemble',
    'make',
    ...members,
    '-o',
    'few',
    '--align',
    'procrustes',
    '--anchors',
    'few.txt',
  )
  expect(few.code).toBe(0)
  expect(few.stderr).toContain('member 1: 8 anchors are fewer than its 32 dimensions')
  const many = await run(
    'ensemble',
    'make',
    ...members,
    '-o',
    'many',
    '--align',
    'procrustes',
    '--anchors',
    'texts.txt',
  )
  expect(many.stderr).not.toContain('fewer')
  const bare = await run('ensemble', 'make', MODELS[0]!, members[1]!, '-o', 'bare')
  expect(bare.code).toBe(1)
  expect(bare.stderr).toContain(`${MODELS[0]} has no variances: write ${MODELS[0]}=POSTERIOR`)
})

test('a calibration without loss and pairs is inspected all the same', async () => {
  const { cwd, run, json, members } = await workspace()
  await json('ensemble', 'make', ...members, '-o', 'both')
  const file = join(cwd, 'both', 'ensemble.json')
  const stored = JSON.parse(readFileSync(file, 'utf8'))
  const coefficients = { sources: ['trace'], bias: [0, 0], power: [1], loss: null, pairs: 'x' }
  writeFileSync(file, JSON.stringify({ ...stored, coefficients }))
  const { code, stdout } = await run('ensemble', 'inspect', 'both')
  expect(code).toBe(0)
  expect(stdout).toContain('pairs         unknown, held-out loss unknown')
})

test('verify ends with 1 and says what is wrong', async () => {
  const { cwd, run, json, members } = await workspace()
  await json('ensemble', 'make', ...members, '-o', 'both')
  const file = join(cwd, 'both', 'members', '1', 'onnx', 'model.onnx')
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.subarray(0, bytes.length - 1))
  const { code, stdout } = await run('ensemble', 'verify', 'both')
  expect(code).toBe(1)
  expect(stdout).toMatch(/members\/1\/onnx\/model.onnx has \d+ bytes instead of \d+\nmember 1: /)
  const missing = await run('ensemble', 'verify', 'nowhere')
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain('ERR_FILE_NOT_FOUND')
  expect((await run('ensemble', 'inspect', 'texts.txt')).code).toBe(1)
})

test.each([['make'], ['inspect'], ['verify']])('help of ensemble %s has examples', async (part) => {
  const { code, stdout } = await uec(['ensemble', part, '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain(`Examples:\n  $ uec ensemble ${part} `)
  expect(stdout).toContain('--json')
})
