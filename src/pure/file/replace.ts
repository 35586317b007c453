/** Replacing a file all at once: whatever fails, the old file stays. */

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
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

/** Who may read and write a file, for one that replaces it or stands beside it; undefined if it is not there. */
export async function rightsOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
}

/**
 * Writes a file beside `path` and moves it there, with the rights of the one that it replaces. `prepare` runs once the new file is on the disk and before the move,
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
    const rights = await rightsOf(path)
    const handle = await open(temporary, 'wx', rights)
    let written: T
    try {
      if (rights !== undefined && rights !== (await rightsOf(temporary))) await handle.chmod(rights)
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
