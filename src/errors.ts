/** The one error class of the package: a stable code and a sentence that says what to do. */

const ERROR_CODES = [
  'ERR_INVALID_ARGUMENT',
  'ERR_DIMENSION_MISMATCH',
  'ERR_MODEL_NOT_FOUND',
  'ERR_MODEL_INVALID',
  'ERR_MODEL_UNSUPPORTED',
  'ERR_TOKENIZER_INVALID',
  'ERR_NOT_FITTED',
  'ERR_POSTERIOR_MISMATCH',
  'ERR_FILE_NOT_FOUND',
  'ERR_FILE_CORRUPT',
  'ERR_FILE_VERSION',
  'ERR_FILE_WRITE',
  'ERR_FILE_LOCKED',
  'ERR_NETWORK',
  'ERR_NATIVE_NOT_FOUND',
  'ERR_RUNTIME_NOT_FOUND',
  'ERR_RUNTIME_VERSION',
  'ERR_DEVICE_UNAVAILABLE',
  'ERR_OVERLOADED',
  'ERR_DISPOSED',
  'ERR_OUT_OF_MEMORY',
  'ERR_INTERNAL',
] as const

/** Stable codes: programs may branch on them, messages may change. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What every function of this package throws or rejects with, except for the reason of an aborted signal. */
export class UecError extends Error {
  override readonly name = 'UecError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** An ERR_INVALID_ARGUMENT. */
export function invalid(message: string): UecError {
  return new UecError('ERR_INVALID_ARGUMENT', message)
}

/** A foreign error that carries one of our codes (as the binding's do) as a {@link UecError}; anything else as it is. */
export function asUecError(error: unknown): unknown {
  if (error instanceof UecError || !(error instanceof Error) || !('code' in error)) return error
  const code = ERROR_CODES.find((known) => known === error.code)
  return code === undefined ? error : new UecError(code, error.message, { cause: error.cause })
}
