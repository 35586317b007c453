// npm test: installs and builds what is missing, runs the Rust and the TypeScript tests, ends with one line of counts.
// `--long` adds the soaks, kills and fuzzing.
import { spawn } from 'node:child_process'
import { prepare, root } from './prepare.mjs'

/** Runs a command, shows its output and returns it. */
function capture(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      shell: process.platform === 'win32',
    })
    let output = ''
    for (const stream of ['stdout', 'stderr']) {
      child[stream].setEncoding('utf8')
      child[stream].on('data', (text) => {
        output += text
        process[stream].write(text)
      })
    }
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? 1, output }))
  })
}

const sum = (text, pattern) =>
  [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

/** A test that cannot run here prints `skipped: <name> (<why>)` and returns; cargo knows no such outcome. */
function countRust({ status, output }) {
  const skipped = [...output.matchAll(/^skipped: .+$/gm)].length + sum(output, /; (\d+) ignored;/g)
  const passed =
    sum(output, /^test result: .*?(\d+) passed/gm) - [...output.matchAll(/^skipped: .+$/gm)].length
  const failed = sum(output, /^test result: .*?(\d+) failed/gm)
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped }
}

function countVitest({ status, output }) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
  const line = output.replace(/\u001b\[[0-9;]*m/g, '').match(/^\s*Tests\s+(.*)$/m)?.[1] ?? ''
  const count = (word) => Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0)
  const failed = count('failed')
  return {
    passed: count('passed'),
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped: count('skipped'),
  }
}

const long = process.argv.includes('--long')
prepare()
const rust = await capture(
  'cargo',
  ['test', '--workspace', '--no-fail-fast', '--', '--show-output'],
  long ? { UEC_LONG: '1' } : {},
)
const typescript = await capture('npx', ['vitest', 'run'], {
  NO_COLOR: '1',
  ...(long ? { UEC_LONG: '1' } : {}),
})
const counts = [countRust(rust), countVitest(typescript)]
const total = (key) => counts.reduce((all, part) => all + part[key], 0)
for (const [name, part] of [
  ['Rust', counts[0]],
  ['TypeScript', counts[1]],
])
  console.log(`${name}: ${part.passed} passed, ${part.failed} failed, ${part.skipped} skipped`)
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
process.exit(total('failed') === 0 && rust.status === 0 && typescript.status === 0 ? 0 : 1)
