/** The commands one after the other on a miniature encoder, as a user would run them. */
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readFloats } from '../../src/cli/output/safetensors.ts'
import { root, tiny } from '../paths.ts'
import { start, uec } from './command.ts'
import { temporaryFolder } from './temporary.ts'

const MODEL = tiny('bert-ts17')
const OTHER = tiny('bert-cls')

// Words that the miniature vocabulary holds whole, so that no two sentences are the same tokens.
const WHO = ['man', 'woman', 'boy', 'girl', 'cat', 'dog', 'horse', 'monkey']
const WHAT = ['guitar', 'piano', 'ball', 'bread', 'flute', 'onion', 'potato', 'rope']
const sentences = WHO.flatMap((who, i) =>
  WHAT.map((what) => `the ${who} with the ${what} and the ${WHAT[i]}`),
)

function workspace() {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'texts.txt'), sentences.join('\n'))
  writeFileSync(
    join(cwd, 'pairs.jsonl'),
    sentences
      .map((text, i) =>
        JSON.stringify({ query: text, positive: `someone is ${WHAT[i % 8]} playing: ${text}` }),
      )
      .join('\n'),
  )
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await uec([...args, '--json'], { cwd })
    if (code !== 0) throw new Error(`uec ${args.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
  return { cwd, run }
}

test('fit, bake, calibrate, embed, index and search', async () => {
  const { cwd, run } = workspace()
  const fitted = await run('fit', MODEL, 'texts.txt', '-o', 'a.safetensors')
  expect(fitted.pairs).toBe(64)
  expect(fitted.priorPrecision).toBeGreaterThan(0)
  await run('fit', OTHER, 'pairs.jsonl', '-o', 'b.safetensors', '--tail', 'first-order', '--seed', '1')

  const baked = await run('bake', MODEL, '-p', 'a.safetensors', '-o', 'a.onnx')
  expect(baked.bytes).toBe(readFileSync(join(cwd, 'a.onnx')).length)

  const hinted = await uec(['bake', MODEL, '-p', 'a.safetensors', '-o', 'again.onnx'], { cwd })
  expect(hinted.stderr).toContain("the model's tokenizer.json beside it")

  const members = [`${MODEL}=a.safetensors`, `${OTHER}=b.safetensors`]
  const ensemble = await run(
    'calibrate',
    ...members,
    '--pairs',
    'pairs.jsonl',
    '--texts',
    'texts.txt',
    '-o',
    'both',
  )
  expect(ensemble.calibration.bias).toHaveLength(2)
  expect(ensemble.temperature).toBeGreaterThan(0)
  const updated = await run('calibrate', 'both', '--texts', 'texts.txt')
  expect(updated.ensemble).toBe('both')

  const embedded = await run('embed', 'both', 'texts.txt', '-o', 'e.safetensors')
  expect(embedded).toMatchObject({ texts: 64, invalid: 0 })
  const { mean, variance, coefficients } = (await readFloats(join(cwd, 'e.safetensors')))!
  const dimension = mean!.shape[1]!
  expect(mean!.shape).toEqual([64, dimension])
  expect(variance!.shape).toEqual([64, dimension])
  expect(coefficients!.shape).toEqual([64, 2])
  expect(Math.abs(Math.hypot(...mean!.values.subarray(0, dimension)) - 1)).toBeLessThan(1e-6)
  expect(variance!.values.every((v) => v > 0 && Number.isFinite(v))).toBe(true)

  // The same rows as JSONL, from standard input to standard output.
  const piped = await uec(['embed', 'both', '-', '-o', '-'], { cwd, input: sentences.slice(0, 3).join('\n') })
  expect(piped.code).toBe(0)
  const rows = piped.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(rows.map(({ id }) => id)).toEqual(['1', '2', '3'])
  rows.forEach((row, i) => {
    const stored = mean!.values.subarray(i * dimension, (i + 1) * dimension)
    row.mean.forEach((value: number, d: number) => {
      expect(Math.abs(value - stored[d]!)).toBeLessThan(1e-5)
    })
  })

  const indexed = await run('index', 'both', 'texts.txt', '-o', 'texts.uec')
  expect(indexed).toMatchObject({ texts: 64, replaced: 0, size: 64 })
  writeFileSync(join(cwd, 'more.jsonl'), '{"id":"1","text":"another cat"}\n{"id":"new","text":"a horse"}\n')
  const again = await run('index', 'both', 'more.jsonl', '-o', 'texts.uec')
  expect(again).toMatchObject({ texts: 2, replaced: 1, size: 65 })

  const [found] = await run('search', 'both', 'texts.uec', sentences[5]!, '-k', '3', '--texts', 'texts.txt')
  expect(found.hits).toHaveLength(3)
  expect(found.hits[0]).toMatchObject({ id: '6', text: sentences[5] })
  expect(found.hits[0].similarity).toBeGreaterThan(0.9999)
  expect(found.hits[0].score).toBeLessThan(found.hits[0].similarity)
  expect(found.margin).toBeCloseTo(found.hits[0].score - found.hits[1].score, 5)
  writeFileSync(join(cwd, 'one.txt'), 'a cat')
  const one = await uec(['index', 'both', 'one.txt', '-o', 'one.uec'], { cwd })
  expect(one.stdout).toContain('one.uec: 1 texts, ')
  expect((await uec(['index', 'both', 'one.txt', '-o', 'one.uec'], { cwd })).stdout).toContain(
    'one.uec: 1 texts (0 added, 1 replaced), ',
  )
  expect((await run('search', 'both', 'one.uec', 'a dog'))[0].margin).toBeNull()
  const shown = await uec(['search', 'both', 'texts.uec', sentences[5]!], { cwd })
  expect(shown.stdout).toContain(`  margin ${found.margin.toFixed(4)}: the best single sign`)
  expect(found.coefficients[0] + found.coefficients[1]).toBeCloseTo(1, 6)
})

describe('failures end with 1, name the place and write nothing', () => {
  test.each([
    ['a bad row', ['fit', MODEL, 'bad.jsonl', '-o', 'out'], 'bad.jsonl:2: not JSON'],
    ['a missing file of texts', ['fit', MODEL, 'none.txt', '-o', 'out'], 'none.txt: no such file'],
    ['a missing model', ['fit', 'nowhere', 'texts.txt', '-o', 'out'], 'ERR_MODEL_NOT_FOUND'],
    ['an index that is none', ['search', MODEL, 'texts.txt', 'q'], 'ERR_FILE_CORRUPT'],
    [
      'an id given twice',
      ['index', MODEL, 'twice.jsonl', '-o', 'out'],
      "twice.jsonl:2: the id 'a' was given",
    ],
    [
      'an unfitted member',
      ['calibrate', MODEL, OTHER, '--texts', 'texts.txt', '-o', 'out'],
      'ERR_NOT_FITTED',
    ],
  ])('%s', async (_, args, message) => {
    const { cwd } = workspace()
    writeFileSync(join(cwd, 'bad.jsonl'), '{"text":"fine"}\n{"text":')
    writeFileSync(join(cwd, 'twice.jsonl'), '{"id":"a","text":"x"}\n{"id":"a","text":"y"}\n')
    const before = readdirSync(cwd).sort()
    const { code, stdout, stderr } = await uec(args, { cwd })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect(readdirSync(cwd).sort()).toEqual(before)
  })
})

test.skipIf(process.platform === 'win32')(
  'Ctrl-C ends with 130 and leaves no half-written file',
  async () => {
    const { cwd } = workspace()
    const before = readdirSync(cwd).sort()
    const { child, outcome } = start(['embed', MODEL, '-', '-o', 'e.safetensors'], cwd)
    // Standard input stays open: the command waits for more texts after the first chunk.
    child.stdin!.write(`${Array.from({ length: 1100 }, (_, i) => sentences[i % 64]).join('\n')}\n`)
    await once(child.stderr!, 'data')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    child.kill('SIGINT')
    const { code, stdout, stderr } = await outcome
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr).toContain('uec: interrupted')
    expect(readdirSync(cwd).sort()).toEqual(before)
  },
)

test.skipIf(process.platform === 'win32')(
  'doctor outside a clone: missing demonstration encoders are a note, a runtime that does not load a problem',
  async () => {
    const cwd = temporaryFolder()
    cpSync(join(root, 'dist'), join(cwd, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(cwd, 'package.json'))
    for (const folder of ['native', 'node_modules']) symlinkSync(join(root, folder), join(cwd, folder))
    const doctor = (...args: string[]) =>
      uec(['doctor', ...args], { cwd, main: join(cwd, 'dist/cli/main.js') })
    const bare = await doctor()
    expect(bare.code).toBe(0)
    expect(bare.stdout).toMatch(/^runtime +ONNX Runtime: not tried$/m)
    expect(bare.stdout).toContain('Note: the encoders of the demonstration')
    const broken = await doctor('--model', MODEL, '--runtime', '/nowhere/libonnxruntime.so', '--json')
    expect(broken.code).toBe(1)
    const { problems, tried } = JSON.parse(broken.stdout)
    expect(tried).toBe(MODEL)
    expect(problems).toHaveLength(1)
    expect(problems[0].what).toContain('the ONNX Runtime does not load')
  },
)

test('doctor tries an encoder, and ends with 1 where the default ones are missing', async () => {
  const { code, stdout } = await uec(['doctor', '--json', '--model', MODEL, '--models', '/nowhere'])
  expect(code).toBe(1)
  const diagnosis = JSON.parse(stdout)
  expect(diagnosis.native).toBe(true)
  expect(diagnosis.threads).toBeGreaterThan(0)
  expect(diagnosis.encoder.runtime).toMatch(/\d+\.\d+/)
  expect(diagnosis.problems).toHaveLength(3)
  expect(existsSync(diagnosis.encoder.path)).toBe(true)
})
