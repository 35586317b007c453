/** What goes wrong with files, and what callers are told of it. */

import { UecError } from '../../errors.ts'

/** What is wrong with a file, for the end of a sentence. */
export class Damage extends Error {
  /** The version of a file of another version. */
  readonly version: number | undefined
  readonly remedy: string

  constructor(message: string, version?: number, remedy = 'Restore or rebuild it') {
    super(message)
    this.version = version
    this.remedy = remedy
  }
}

/** Any failure to read a file: ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION, ERR_OUT_OF_MEMORY. */
export function readError(file: string, error: unknown): unknown {
  if (error instanceof UecError && error.code !== 'ERR_INVALID_ARGUMENT') return error
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof Damage && error.version !== undefined) {
    const message = `${file} is of format ${error.version}, which this version of uec does not read: update uec, or make the index again`
    return new UecError('ERR_FILE_VERSION', message)
  }
  if (error instanceof RangeError) return new UecError('ERR_OUT_OF_MEMORY', `no memory to open ${file}`)
  if (codeOf(error) === 'ENOENT') {
    return new UecError('ERR_FILE_NOT_FOUND', `there is no index at ${file}`, { cause: error })
  }
  // What the store refuses (ERR_INVALID_ARGUMENT) a sound file does not hold.
  const message =
    error instanceof Damage || error instanceof UecError
      ? `${file} is no sound index: ${reason}. ${error instanceof Damage ? error.remedy : 'Restore or rebuild it'}`
      : `${file} cannot be read: ${reason}`
  return new UecError('ERR_FILE_CORRUPT', message, { cause: error })
}

/** Any failure to write a file: ERR_FILE_WRITE, or what the package itself says. */
export function writeError(file: string, cause: unknown): unknown {
  if (cause instanceof UecError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  const remedy = 'Check that its folder exists and has room'
  return new UecError('ERR_FILE_WRITE', `${file} cannot be written: ${reason}. ${remedy}`, { cause })
}

/** The system's name of an error. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
