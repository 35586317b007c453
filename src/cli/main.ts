#!/usr/bin/env node
/** The `uec` command: parses, runs, and turns what went wrong into one message and an exit code. */
import { CommanderError } from 'commander'
import { codeOf, describe, exitCodeOf, Interrupted, messageOf } from './exit.ts'
import { abortOnInterrupt } from './interrupt.ts'
import { createProgram } from './program.ts'

// The reader of a pipe may leave early (`uec … | head`); that is no error of ours.
process.stdout.on('error', (error) => {
  if (codeOf(error) === 'EPIPE') process.exit(0)
  throw error
})

const signal = abortOnInterrupt()
try {
  await createProgram({ signal }).parseAsync()
} catch (error) {
  const cause = signal.aborted ? signal.reason : error
  process.exitCode = exitCodeOf(cause)
  if (cause instanceof CommanderError) {
    // Commander has written its own message.
  } else if (cause instanceof Interrupted) {
    process.stderr.write('uec: interrupted\n')
  } else if (process.argv.includes('--json')) {
    process.stderr.write(`${JSON.stringify({ error: { code: codeOf(cause), message: messageOf(cause) } })}\n`)
  } else {
    process.stderr.write(`uec: ${describe(cause)}\n`)
  }
}
if (signal.aborted) process.exitCode = exitCodeOf(signal.reason)
