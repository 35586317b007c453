import { describe } from 'vitest'
import * as pure from '../src/pure/index.ts'
import { journalContract } from './contract/journal.ts'
import { modelContract } from './contract/model.ts'
import { storageContract } from './contract/storage.ts'

describe('contract: uec/pure', () => {
  storageContract(pure)
  journalContract(pure)
  modelContract(pure)
})
