/** Files that exist whole or not at all: written under a temporary name beside the target, synced, renamed. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export class AtomicFile {
  readonly handle: FileHandle
  readonly #path: string
  readonly #temporary: string
  #open = true

  private constructor(handle: FileHandle, path: string, temporary: string) {
    this.handle = handle
    this.#path = path
    this.#temporary = temporary
  }

  /** Creates the folder of `path` where it is missing. */
  static async create(path: string): Promise<AtomicFile> {
    const folder = dirname(path)
    await mkdir(folder, { recursive: true })
    const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
    return new AtomicFile(await open(temporary, 'wx'), path, temporary)
  }

  /** Puts the file in its place. */
  async commit(): Promise<void> {
    await this.handle.sync()
    this.#open = false
    await this.handle.close()
    await rename(this.#temporary, this.#path)
  }

  /** Removes what was written; does nothing after `commit`. */
  async discard(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.handle.close()
    await rm(this.#temporary, { force: true })
  }
}

/** Writes a whole file, or leaves what was there. */
export async function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  const file = await AtomicFile.create(path)
  try {
    await file.handle.writeFile(data)
    await file.commit()
  } finally {
    await file.discard()
  }
}
