/** Ctrl-C: the first one aborts what runs, so that it can clean up; the second ends the process at once. */
import { Interrupted } from './exit.ts'

/** A signal that aborts with `Interrupted` on SIGINT or SIGTERM. */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const reason = new Interrupted(name)
      if (controller.signal.aborted) process.exit(reason.exitCode)
      controller.abort(reason)
    })
  }
  return controller.signal
}
