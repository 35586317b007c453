/**
 * How a run of `uec` ends.
 *
 *     0    done
 *     1    failure: a file, a row, a model, the machine, or what the library makes of them
 *     2    usage: an argument or option that makes no sense
 *     130  interrupted (Ctrl-C); 143 when asked to terminate
 */
import { CommanderError } from 'commander'

export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

/** Arguments that commander accepts one by one and that make no sense together. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What was read is not what it should be; the message starts with file and line. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** The reason of the abort signal after Ctrl-C or a request to terminate. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('interrupted')
    this.exitCode = signal === 'SIGINT' ? 130 : 143
  }
}

/** The exit code that an error means. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  // Commander throws for --help and --version too, with exit code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  if (error instanceof UsageError) return EXIT_USAGE
  return EXIT_FAILURE
}

/** The code of an error of the library or of Node (`ERR_…`, `ENOENT`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The message for a person, with the code that the documentation explains. */
export function describe(error: unknown): string {
  const code = codeOf(error)
  return code?.startsWith('ERR_') ? `${messageOf(error)} (${code})` : messageOf(error)
}
