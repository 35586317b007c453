import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../paths.ts'
import { uec } from './command.ts'

const COMMANDS = [
  'demo',
  'fit',
  'posterior',
  'calibrate',
  'ensemble',
  'bake',
  'embed',
  'index',
  'search',
  'doctor',
]

describe('help', () => {
  test('lists every command and ends with 0', async () => {
    const { code, stdout, stderr } = await uec(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
  })

  test.each(COMMANDS)('of %s has examples', async (command) => {
    const { code, stdout, stderr } = await uec([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Examples:\n  $ ')
    expect(stdout).toContain(`uec ${command}`)
    expect(stdout).toContain('--json')
  })

  test('--version is that of package.json', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(await uec(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('usage errors end with 2, say what is wrong, and write nothing to standard output', () => {
  test.each([
    [[], 'Usage: uec'],
    [['fitt'], 'Did you mean fit?'],
    [['fit', 'm', 'x', '-o', 'y', '--seeds', '3'], 'Did you mean --seed?'],
    [['fit', 'm', 'x'], "required option '-o, --output <file>'"],
    [['fit', 'm', 'x', '-o', 'y', '--batch-size', '1'], 'an integer >= 2'],
    [['fit', 'm', 'x', '-o', 'y', '--curvature', 'kfac'], 'ef, ggn'],
    [['search', 'm'], "missing required argument 'index'"],
    [['search', 'm', 'i'], 'give a query'],
    [['search', 'm', 'i', 'q', '-k', '0'], 'an integer >= 1'],
    [['calibrate', 'a=b', '--pairs', 'p.csv'], '-o says where'],
    [['calibrate', 'a=b', '-o', 'e'], 'give --texts, --pairs or both'],
    [['embed', 'm', 'x', '-o', 'embeddings.npy'], '.safetensors or .jsonl'],
    [['fit', 'm', './x.txt', '-o', 'x.txt'], 'this is an input'],
    [['embed', 'm', 'x.jsonl', '-o', 'a/../x.jsonl'], 'this is an input'],
    [['index', 'm', 'a.txt', 'x', '-o', 'x', '--fresh'], 'this is an input'],
    [['bake', 'm', '-p', 'x', '-o', 'x'], 'this is an input'],
    [['demo', 'extra'], 'too many arguments'],
    [['ensemble', 'make', 'a=b'], "required option '-o, --output <directory>'"],
    [['ensemble', 'make', 'a=b', '-o', 'e', '--coefficients', 'softmax'], 'softmax-trace'],
    [['ensemble', 'make', 'a=b', '-o', 'e', '--coefficients', '1,-1'], 'weights such as'],
    [['ensemble', 'make', 'a=b', '-o', 'e', '--align', 'procrustes'], 'needs --anchors'],
    [['ensemble', 'make', 'a=b', '-o', 'e', '--anchors', 'x.txt'], 'belong to --align'],
    [
      ['ensemble', 'make', 'a=b', '-o', 'e', '--align', 'procrustes', '--anchors', 'x', 'y'],
      '2 files of anchors for 1 members',
    ],
    [['ensemble', 'unmake'], "unknown command 'unmake'"],
  ])('uec %j', async (args, message) => {
    const { code, stdout, stderr } = await uec(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })
})

test('a failure ends with 1; with --json it is one JSON object on standard error', async () => {
  const { code, stdout, stderr } = await uec(['demo', '--models', '/nowhere', '--json'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(JSON.parse(stderr).error.message).toContain('/nowhere')
})
