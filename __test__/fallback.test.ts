import { afterEach, expect, test, vi } from 'vitest'
import { chooseBackend } from '../src/fallback.ts'
import { pureBackend } from '../src/pure/backend.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const missing = () => {
  throw new Error('no binary for plan9-mips')
}

test('the native backend is taken where it loads', () => {
  const native = { ...pureBackend, name: 'native' as const }
  expect(chooseBackend(() => native)).toBe(native)
})

test('without a binary the pure backend computes, with a process warning', () => {
  vi.stubEnv('UEC_REQUIRE_NATIVE', '')
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  expect(chooseBackend(missing)).toBe(pureBackend)
  expect(warn).toHaveBeenCalledOnce()
  expect(warn.mock.calls[0]![0]).toMatch(/no binary for plan9-mips/)
})

test('UEC_REQUIRE_NATIVE=1 makes it an error', () => {
  vi.stubEnv('UEC_REQUIRE_NATIVE', '1')
  expect(() => chooseBackend(missing)).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_NOT_FOUND' }))
})
