import { CommanderError } from 'commander'
import { expect, test } from 'vitest'
import {
  describe as describeError,
  exitCodeOf,
  InputError,
  Interrupted,
  UsageError,
} from '../../src/cli/exit.ts'

const coded = (code: string) => Object.assign(new Error('it broke'), { code })

test.each<[unknown, number]>([
  [new InputError('a.txt:1: wrong'), 1],
  [coded('ERR_MODEL_NOT_FOUND'), 1],
  [coded('ENOSPC'), 1],
  ['thrown text', 1],
  [new UsageError('give one'), 2],
  [coded('ERR_INVALID_ARGUMENT'), 1],
  [new CommanderError(1, 'commander.unknownOption', 'unknown'), 2],
  [new CommanderError(0, 'commander.helpDisplayed', ''), 0],
  [new Interrupted('SIGINT'), 130],
  [new Interrupted('SIGTERM'), 143],
])('%s ends with %i', (error, code) => {
  expect(exitCodeOf(error)).toBe(code)
})

test('the code of a library error is shown, that of the system is part of its message', () => {
  expect(describeError(coded('ERR_FILE_CORRUPT'))).toBe('it broke (ERR_FILE_CORRUPT)')
  expect(describeError(coded('ENOSPC'))).toBe('it broke')
})
