/** The package that this file belongs to. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the package: two folders up from both src/cli and dist/cli. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url))

export function packageManifest(): { version: string; engines: { node: string } } {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
}
