/** Child processes of the long tests: they run the built package, so that a crash or a kill is theirs and not the test's. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Whether there is time for the long form (`npm run test:long`). */
export const LONG = process.env.UEC_LONG === '1'

/** Starts `script`, a file of this folder, with stdout piped. */
export function start(script: string, args: readonly (string | number)[], flags: readonly string[] = []) {
  const file = fileURLToPath(new URL(script, import.meta.url))
  return spawn(process.execPath, [...flags, file, ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] })
}

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Waits for the end of a child and for all that it said. */
export function ended(child: ChildProcess): Promise<Ended> {
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, ...said }))
  })
}

/** Runs `script` to its end; its last line is the JSON that it found. A panic of Rust is a failure, caught or not. */
export async function figures<T>(
  script: string,
  args: readonly (string | number)[],
  flags: readonly string[] = [],
): Promise<T> {
  const { status, signal, stdout, stderr } = await ended(start(script, args, flags))
  if (status !== 0 || stderr.includes('panicked'))
    throw new Error(`${script} ${args.join(' ')} ended with ${status ?? signal}:\n${stdout}${stderr}`)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T
}
