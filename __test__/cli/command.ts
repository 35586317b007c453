/** Runs the built command (`npm run build` makes dist/) as a child process, as a user does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'

const built = join(root, 'dist', 'cli', 'main.js')

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export function start(
  args: readonly string[],
  cwd: string,
  main = built,
): { child: ChildProcess; outcome: Promise<Outcome> } {
  if (!existsSync(main))
    throw new Error(`${main} is missing: run \`npm run build\` first (\`npm test\` does)`)
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, NO_COLOR: '1' } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  return { child, outcome }
}

export function uec(
  args: readonly string[],
  { cwd = root, input = '', main = built }: { cwd?: string; input?: string; main?: string } = {},
): Promise<Outcome> {
  const { child, outcome } = start(args, cwd, main)
  child.stdin!.end(input)
  return outcome
}
