import { expect, test } from 'vitest'
import * as native from '../src/index.ts'
import * as pure from '../src/pure/index.ts'
import { agreement } from './contract/agreement.ts'
import { contract } from './contract/index.ts'

test('the native backend is the one under test', () => {
  expect(native.capabilities().native).toBe(true)
})

contract('uec', native)
agreement('uec and uec/pure', native, pure)
