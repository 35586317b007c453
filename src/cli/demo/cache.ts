/** Results of earlier runs, in files whose names contain a fingerprint of everything that they depend on. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../output/atomic.ts'
import { packageManifest, packageRoot } from '../package.ts'

/** What a cache names its files; nothing else in its directory is ever removed. */
const OWN = /^(posterior|calibration|embeddings|ensemble|corpus|measures)(-[a-z]+)?-[0-9a-f]{12}(\.[a-z]+)?$/

export class Cache {
  readonly directory: string
  /** Whether something was found here that an earlier run had made. */
  reused = false
  readonly #named = new Set<string>()

  private constructor(directory: string) {
    this.directory = directory
  }

  /** `fresh` forgets what was there. */
  static async open(directory: string, { fresh = false } = {}): Promise<Cache> {
    await mkdir(directory, { recursive: true })
    const cache = new Cache(directory)
    if (fresh) await cache.prune()
    return cache
  }

  /** Where a result is kept; without an extension it is a directory. */
  path(name: string, key: string, extension?: string): string {
    const file = extension === undefined ? `${name}-${key}` : `${name}-${key}.${extension}`
    this.#named.add(file)
    return join(this.directory, file)
  }

  /** Removes results of other models, texts or programs: those that nothing has named since the cache was opened. */
  async prune(): Promise<void> {
    for (const file of await readdir(this.directory))
      if (OWN.test(file) && !this.#named.has(file))
        await rm(join(this.directory, file), { recursive: true, force: true })
  }

  /** Whether a file of an earlier run is there. */
  has(path: string): boolean {
    const found = existsSync(path)
    this.reused ||= found
    return found
  }

  /** A JSON value, or undefined where it is missing or not whole. */
  async readJson<T>(path: string): Promise<T | undefined> {
    try {
      const value = JSON.parse(await readFile(path, 'utf8')) as T
      this.reused = true
      return value
    } catch {
      return undefined
    }
  }

  async writeJson(path: string, value: unknown): Promise<void> {
    await writeAtomically(path, JSON.stringify(value))
  }
}

/** Twelve hexadecimal digits that change with any of the parts. */
export function fingerprint(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12)
}

/** Fingerprint of all files of a folder, by name and content. */
export function fingerprintFolder(directory: string): string {
  const hash = createHash('sha256')
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  for (const name of names) hash.update(name.slice(directory.length)).update('\0').update(readFileSync(name))
  return hash.digest('hex').slice(0, 12)
}

/** Fingerprint of the program: its version, its code and, in a clone, the binary that was built. */
export function fingerprintProgram(): string {
  const folders = ['dist', 'native']
    .map((name) => join(packageRoot, name))
    .filter((folder) => existsSync(folder))
  return fingerprint(packageManifest().version, ...folders.map(fingerprintFolder))
}
