import { describe } from 'vitest'
import * as native from '../src/index.ts'
import * as pure from '../src/pure/index.ts'
import { fileAgreement } from './contract/file-agreement.ts'
import { journalContract } from './contract/journal.ts'
import { modelContract } from './contract/model.ts'
import { storageContract } from './contract/storage.ts'

describe('contract: uec', () => {
  storageContract(native)
  journalContract(native)
  modelContract(native)
  fileAgreement('uec and uec/pure', native, pure)
})
