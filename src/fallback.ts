/** Which backend `uec` computes with: the native one, or plain TypeScript where no binary fits the platform. */

import type { Backend } from './backend.ts'
import { UecError } from './errors.ts'
import { pureBackend } from './pure/backend.ts'

/**
 * @internal The backend that `loadNative` returns; if it throws, the pure one with one process warning, or
 * ERR_NATIVE_NOT_FOUND where UEC_REQUIRE_NATIVE=1.
 */
export function chooseBackend(loadNative: () => Backend): Backend {
  try {
    return loadNative()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (process.env.UEC_REQUIRE_NATIVE === '1') {
      throw new UecError('ERR_NATIVE_NOT_FOUND', `UEC_REQUIRE_NATIVE=1, but ${reason}`, { cause })
    }
    process.emitWarning(`uec computes in plain JavaScript, which is slower: ${reason}`, {
      type: 'UecWarning',
      code: 'UEC_PURE_FALLBACK',
      detail: 'Set UEC_REQUIRE_NATIVE=1 to make this an error; `npx uec doctor` says what is missing.',
    })
    return pureBackend
  }
}
