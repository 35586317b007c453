// What package.json and the sources promise to whoever installs or changes this package.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as uec from '../src/index.ts'
import * as pure from '../src/pure/index.ts'
import type { ErrorCode } from './fixtures/contract.js'
import { root } from './paths.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))

/** Files below a folder whose names end so. */
const files = (folder: string, end: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name))

function node(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  return { status, stdout: stdout.trim(), stderr }
}

describe('the package', () => {
  it('runs nothing where it is installed, and asks for the engines it was made for', () => {
    const lifecycle = [
      'preinstall',
      'install',
      'postinstall',
      'prepare',
      'prepublish',
      'preprepare',
      'postprepare',
    ]
    for (const script of lifecycle) expect(manifest.scripts).not.toHaveProperty(script)
    expect(existsSync(join(root, 'binding.gyp')), 'npm would run node-gyp').toBe(false)
    expect(manifest.engines.node).toBe('^20.19 || >=22.12')
    expect(manifest.type).toBe('module')
  })

  it('has the version of the workspace', () => {
    const [, version] = /\[workspace\.package\][^[]*?\nversion = "(.+)"/.exec(read('Cargo.toml'))!
    expect(manifest.version).toBe(version)
    expect(JSON.parse(read('package-lock.json')).version).toBe(version)
    expect(uec.capabilities().version).toBe(version)
  })

  it('pins the versions of what it needs', () => {
    for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+/)
  })

  it('ships every file that it names', () => {
    for (const target of Object.values<string | Record<string, string>>(manifest.exports))
      for (const file of typeof target === 'string' ? [target] : Object.values(target))
        expect(existsSync(join(root, file)), `${file} (npm run build:ts makes it)`).toBe(true)
    for (const name of manifest.files) expect(existsSync(join(root, name)), name).toBe(true)
  })

  it('is imported by its names', () => {
    const script = `
      const found = {}
      for (const name of ['uec', 'uec/pure', 'uec/eval']) found[name] = Object.keys(await import(name)).sort()
      console.log(JSON.stringify(found))`
    const { status, stdout, stderr } = node('--input-type=module', '-e', script)
    expect([status, stderr]).toEqual([0, ''])
    const found = JSON.parse(stdout)
    expect(found.uec).toEqual(Object.keys(uec).sort())
    expect(found['uec/pure']).toEqual(Object.keys(pure).sort())
    expect(found['uec/eval']).toContain('ndcg')
  })

  it('hides its inner files', () => {
    const { status, stderr } = node('--input-type=module', '-e', `await import('uec/dist/native.js')`)
    expect(status).toBe(1)
    expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('is required from CommonJS, since every supported Node can require ES modules', () => {
    const { status, stdout, stderr } = node(
      '--input-type=commonjs',
      '-e',
      `console.log(Object.keys(require('uec')).length, Object.keys(require('uec/pure')).length)`,
    )
    expect([status, stdout], stderr).toEqual([0, `${Object.keys(uec).length} ${Object.keys(pure).length}`])
  })

  it('has a command that runs', () => {
    const command = join(root, manifest.bin.uec)
    expect(readFileSync(command, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    if (process.platform !== 'win32') expect(statSync(command).mode & 0o111).toBe(0o111)
    expect(node(command, '--version')).toMatchObject({ status: 0, stdout: manifest.version })
  })

  it('needs no addon, no Node and no dependency in uec/pure and uec/eval', () => {
    for (const file of [...files('src/pure', '.ts'), ...files('src/eval', '.ts')])
      for (const [, from] of read(file).matchAll(/ from '([^']+)'/g))
        if (!from!.startsWith('.')) expect(`${file}: ${from}`).toMatch(/pure\/file\/[a-z-]+\.ts: node:/)
  })
})

describe('public values', () => {
  const tests = [...files('__test__', '.test.ts'), ...files('__test__/contract', '.ts')]
    .filter((file) => !file.endsWith('package.test.ts'))
    .map(read)
    .join('\n')

  it.each([...new Set([...Object.keys(uec), ...Object.keys(pure)])])('%s has its tests', (name) => {
    expect(new RegExp(`\\b${name}\\b`).test(tests)).toBe(true)
  })
})

describe('Rust', () => {
  const crates = readdirSync(join(root, 'crates'))
  const code = (file: string) => read(file).replaceAll(/\/\/.*/g, '')

  // The binding's is generated; the crates below have modules that need some: vector instructions, a memory map.
  const unsafe: Record<string, string[]> = { gaussian: ['simd', 'kernels'], index: ['file/map.rs'] }

  it('is free of unsafe code outside the modules that need it', () => {
    expect(crates.length).toBeGreaterThan(4)
    for (const name of crates.filter((name) => name !== 'node' && !(name in unsafe)))
      expect(code(`crates/${name}/src/lib.rs`), name).toContain('#![forbid(unsafe_code)]')
    for (const [name, modules] of Object.entries(unsafe)) {
      expect(code(`crates/${name}/src/lib.rs`), name).toContain('#![deny(unsafe_code)]')
      for (const file of files(`crates/${name}/src`, '.rs').filter(
        (file) => !modules.some((m) => file.includes(`/src/${m}`)),
      ))
        expect(code(file).replaceAll(/\w+\(unsafe_code/g, ''), file).not.toMatch(/\bunsafe\b/)
    }
  })

  it('writes no unsafe code in the binding either', () => {
    for (const file of files('crates/node/src', '.rs'))
      expect(code(file).replaceAll('allow(unsafe_code', ''), file).not.toMatch(/\bunsafe\b/)
  })

  it('catches panics in everything that JavaScript can call', () => {
    const functions: string[] = []
    const bare: string[] = []
    for (const file of files('crates/node/src', '.rs')) {
      // The attribute, whatever attributes stand between, and the item it is on.
      const exported =
        /#\[napi(?:\(([^\]]*)\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))?\s+)?(?:async\s+)?(fn|struct|impl|enum|const)\s+(\w+)/g
      const attributes = code(file).match(/#\[napi\b/g)?.length ?? 0
      const found = [...code(file).matchAll(exported)]
      expect(found.length, `${file}: an attribute that this test cannot read`).toBe(attributes)
      for (const [, options = '', kind, name] of found) {
        if (kind !== 'fn') continue
        functions.push(name!)
        if (!/\bcatch_unwind\b/.test(options)) bare.push(`${file}: ${name}`)
      }
    }
    expect(functions.length).toBeGreaterThan(30)
    // Runs while the addon loads, and registers one hook.
    expect(bare).toEqual(['crates/node/src/lib.rs: init'])
  })

  it('catches panics in the one place where work runs off the event loop', () => {
    const job = code('crates/node/src/job.rs')
    expect(job).toMatch(/caught\(\|\| work\(&job\)\)/)
    const all = files('crates/node/src', '.rs').map(code).join('')
    expect(all.match(/create_deferred/g)).toHaveLength(1)
    expect(all, 'promises of napi have a way of their own').not.toMatch(/AsyncTask|spawn_future|async fn/)
  })

  it('unwinds when it panics, so that there is something to catch', () => {
    expect(read('Cargo.toml')).not.toMatch(/panic\s*=\s*"abort"/)
  })

  it('has the error codes of TypeScript', () => {
    const rust = new Set(
      read('crates/gaussian/src/error.rs')
        .match(/"(ERR_[A-Z_]+)"/g)!
        .map((code) => code.slice(1, -1)),
    )
    const list = /ERROR_CODES = \[([^\]]*)\]/.exec(read('src/errors.ts'))![1]!
    const typescript = list.match(/ERR_[A-Z_]+/g)!
    const only: ErrorCode[] = ['ERR_NETWORK', 'ERR_NATIVE_NOT_FOUND']
    expect([...rust, ...only].sort()).toEqual([...typescript].sort())
  })
})
