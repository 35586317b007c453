import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** Every module that importing `file` loads, with the specifiers that are not files. */
function imports(file: string, seen = new Map<string, string[]>()): Map<string, string[]> {
  if (seen.has(file)) return seen
  const foreign: string[] = []
  seen.set(file, foreign)
  const source = readFileSync(file, 'utf8')
  for (const [, specifier] of source.matchAll(/^(?:import|export) (?!type )[^'"]*from '([^']+)'/gm)) {
    if (specifier!.startsWith('.')) imports(resolve(dirname(file), specifier!), seen)
    else foreign.push(specifier!)
  }
  return seen
}

test('uec/pure loads nothing but its own modules, so that it loads in a browser', () => {
  const modules = imports(resolve('src/pure/index.ts'))
  expect(modules.size).toBeGreaterThan(15)
  for (const [file, foreign] of modules) expect(foreign, file).toEqual([])
  expect([...modules.keys()].filter((file) => file.includes('native'))).toEqual([])
})
