/** Replacing a file all at once: whatever fails, the old file stays. */

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from './damage.ts'

/** The path with its links resolved, of a file that need not be there. */
export async function resolveTarget(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return join(await realpath(dirname(path)), basename(path))
  }
}

/**
 * Writes a file beside `path` and moves it there. `prepare` runs once the new file is on the disk and before the move,
 * `undo` if the move fails after that.
 */
export async function replaceFile<T>(
  path: string,
  write: (handle: FileHandle) => Promise<T>,
  prepare: (written: T) => Promise<void>,
  undo: () => Promise<void>,
): Promise<T> {
  const temporary = join(dirname(path), `.uec-${randomUUID()}`)
  try {
    const handle = await open(temporary, 'wx')
    let written: T
    try {
      written = await write(handle)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await prepare(written)
    await rename(temporary, path).catch(async (error: unknown) => {
      await undo()
      throw error
    })
    return written
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A new name is durable only with its folder; Windows cannot open one. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(dirname(path))
  await folder.sync().finally(() => folder.close())
}
