import { describe } from 'vitest'
import * as pure from '../src/pure/index.ts'
import { journalContract } from './contract/journal.ts'

describe('contract: uec/pure', () => {
  journalContract(pure)
})
