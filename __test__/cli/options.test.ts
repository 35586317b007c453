import { InvalidArgumentError } from 'commander'
import { expect, test } from 'vitest'
import { supportsNode } from '../../src/cli/commands/doctor.ts'
import { shorten } from '../../src/cli/commands/search.ts'
import { UsageError } from '../../src/cli/exit.ts'
import { parseMember } from '../../src/cli/members.ts'
import { defined, integer, list, notNegative, positive, wordOr } from '../../src/cli/options.ts'
import { temporaryFile } from './temporary.ts'

test('values in range are taken', () => {
  expect(integer(2)('2')).toBe(2)
  expect(positive('1e-3')).toBe(0.001)
  expect(notNegative('0')).toBe(0)
  expect(wordOr(['relative', 'marglik'], positive)('marglik')).toBe('marglik')
  expect(wordOr(['relative', 'marglik'], positive)('0.5')).toBe(0.5)
  expect(list(['trace', 'inverse-norm'])('inverse-norm, trace')).toEqual(['inverse-norm', 'trace'])
})

test.each([
  () => integer(2)('1'),
  () => integer(0)('1.5'),
  () => integer(0)(''),
  () => positive('0'),
  () => positive('Infinity'),
  () => positive('NaN'),
  () => notNegative('-1'),
  () => wordOr(['relative'], positive)('relativ'),
  () => list(['trace'])('trace,nonsense'),
])('values out of range are refused: %s', (parse) => {
  expect(parse).toThrow(InvalidArgumentError)
})

test('undefined entries are left out', () => {
  expect(Object.keys(defined({ a: 1, b: undefined }))).toEqual(['a'])
})

test('a member is MODEL=POSTERIOR, unless a file has that name', () => {
  expect(parseMember('models/en=en.safetensors')).toEqual({ model: 'models/en', posterior: 'en.safetensors' })
  expect(parseMember('models/en')).toEqual({ model: 'models/en' })
  const file = temporaryFile('a=b.onnx', '')
  expect(parseMember(file)).toEqual({ model: file })
  expect(() => parseMember('models/en=')).toThrow(UsageError)
})

test.each([
  ['20.18.0', false],
  ['20.19.0', true],
  ['21.7.0', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['24.0.0', true],
])('Node %s: %s', (version, supported) => {
  expect(supportsNode(version)).toBe(supported)
})

test('texts are cut at characters, not at code units', () => {
  expect(shorten('abc', 3)).toBe('abc')
  expect(shorten('a😀😀😀', 3)).toBe('a😀…')
})
