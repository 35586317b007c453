// Builds the Rust measuring program.
import { spawnSync } from 'node:child_process'
import { fail, root } from '../scripts/prepare.mjs'

/** Its path. */
export function measuringProgram() {
  const args = [
    'build',
    '--release',
    '-p',
    'uec-bench',
    '--quiet',
    '--message-format=json-render-diagnostics',
  ]
  const { status, stdout, error } = spawnSync('cargo', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  })
  if (error || status !== 0) fail('cargo build -p uec-bench failed; the lines above say why.')
  const messages = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return messages.find(({ target, executable }) => target?.name === 'uec-bench' && executable).executable
}
