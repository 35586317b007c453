// npm run check: everything that continuous integration does beside installing tools: tests first, then the lints.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root, run } from './prepare.mjs'

prepare()
if (!process.argv.includes('--no-tests'))
  run(process.execPath, [join('scripts', 'test.mjs')], { what: 'npm test' })

const step = (name) => console.log(`\n— ${name}`)

step('formatting')
run('cargo', ['fmt', '--all', '--check'])
step('TypeScript linter and formatting')
run('npx', ['biome', 'ci', '.'])
step('types')
run('npx', ['tsc', '-p', 'tsconfig.json'])
step('clippy')
run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'])
step('rustdoc')
run('cargo', ['doc', '--workspace', '--no-deps', '--document-private-items'], {
  env: { RUSTDOCFLAGS: '-D warnings' },
})

step('generated binding types')
run('npm', ['run', '--silent', 'build:native'])
run('git', ['diff', '--exit-code', '--', 'native'], {
  what: 'The check that native/binding.* are current (they have just been generated anew: commit them)',
})

step('licences, bans and sources of dependencies')
if (spawnSync('cargo', ['deny', '--version'], { cwd: root }).status === 0)
  run('cargo', ['deny', 'check', 'licenses', 'bans', 'sources'])
else if (process.env.CI) run('cargo', ['deny', '--version'], { what: 'cargo-deny' })
else console.log('skipped: cargo-deny is not installed (cargo install cargo-deny --locked)')

console.log('\nEverything checked.')
