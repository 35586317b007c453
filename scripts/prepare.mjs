// What every command needs before it starts: tools of a known version, dependencies, the addon and the TypeScript build.
// Uses Node's own modules only, because it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const RUST = [1, 92]

/** Prints one sentence and ends the process: a missing tool is no stack trace. */
export function fail(sentence) {
  console.error(`\n${sentence}`)
  process.exit(1)
}

/** Runs a command in the repository with its output shown; ends the process where it fails. */
export function run(command, args, { env = {}, what = `${command} ${args.join(' ')}` } = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  })
  if (error) fail(`${what} could not be started: ${error.message}`)
  if (signal) process.exit(130)
  if (status !== 0) fail(`${what} failed with exit code ${status}; the lines above say why.`)
}

/** The first line that a tool prints of its version, or undefined where it is missing. */
function version(command) {
  const { status, stdout } = spawnSync(command, ['--version'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  return status === 0 ? stdout.trim() : undefined
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
  if (!supported)
    fail(
      `uec needs Node 20.19, 22.12 or newer; this is ${process.version}. Install a newer one from https://nodejs.org.`,
    )
}

function checkRust() {
  const cargo = version('cargo')
  if (!cargo || !version('rustc'))
    fail(
      'uec is built with Rust, and no cargo was found. Install it from https://rustup.rs, open a new terminal and try again.',
    )
  const [major, minor] = cargo.split(' ')[1].split('.').map(Number)
  if (major < RUST[0] || (major === RUST[0] && minor < RUST[1]))
    fail(
      `uec needs Rust ${RUST.join('.')} or newer; this is ${cargo}. Run \`rustup update stable\` and try again.`,
    )
}

function checkLinker() {
  if (process.platform !== 'win32' && !version('cc'))
    fail(
      'Rust needs a C linker, and no `cc` was found. Install gcc or clang (Debian: apt install build-essential; macOS: xcode-select --install).',
    )
}

function newest(path, keep = () => true) {
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return keep(path) ? stat.mtimeMs : 0
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name), keep)))
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0
}

function installDependencies() {
  const lock = join(root, 'package-lock.json')
  const installed = modified(join(root, 'node_modules', '.package-lock.json'))
  if (installed >= statSync(lock).mtimeMs) return
  console.log('Installing dependencies (npm ci) …')
  run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'])
}

/** Where the built addon of this platform lies, if it does. */
export function addon() {
  const folder = join(root, 'native')
  const name = readdirSync(folder).find(
    (file) => file.endsWith('.node') && file.includes(`${process.platform}-${process.arch}`),
  )
  return name && join(folder, name)
}

function buildAddon() {
  const file = addon()
  const sources = Math.max(
    newest(join(root, 'crates'), (path) => path.endsWith('.rs') || path.endsWith('.toml')),
    ...['Cargo.toml', 'Cargo.lock', 'build.rs'].map((name) => newest(join(root, name))),
  )
  if (file && statSync(file).mtimeMs >= sources) return
  checkRust()
  checkLinker()
  console.log('Building the addon in release mode (about two minutes the first time) …')
  run('npm', ['run', '--silent', 'build:native'])
}

function buildTypeScript() {
  const built = modified(join(root, 'dist', 'index.js'))
  const sources = Math.max(
    newest(join(root, 'src')),
    newest(join(root, 'native', 'binding.d.cts')),
    newest(join(root, 'tsconfig.build.json')),
    newest(join(root, 'tsconfig.json')),
  )
  if (built >= sources) return
  console.log('Building the TypeScript …')
  run('npm', ['run', '--silent', 'build:ts'])
}

/** Installs and builds what is missing or older than its sources. */
export function prepare() {
  checkNode()
  installDependencies()
  buildAddon()
  buildTypeScript()
}
