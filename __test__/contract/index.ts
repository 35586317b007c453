/** The promises that `uec` and `uec/pure` share, run once against each. */

import { describe } from 'vitest'
import { abortContract } from './abort.ts'
import { badInputContract } from './bad-input.ts'
import { convolutionContract } from './convolution.ts'
import { fileContract } from './files.ts'
import type { Api } from './fixtures.ts'
import { scoresContract } from './scores.ts'
import { searchContract } from './search.ts'

export function contract(name: string, api: Api): void {
  describe(`contract: ${name}`, () => {
    scoresContract(api)
    convolutionContract(api)
    searchContract(api)
    badInputContract(api)
    abortContract(api)
    fileContract(api)
  })
}
