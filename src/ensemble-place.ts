// Where an ensemble's directory stands: a new one takes the place of an old one all at once.
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Ends the name of an ensemble that is about to be replaced. */
const AWAY = '-old'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * A directory cannot be renamed over another, so there are two renames. `finish` does the second one where this process
 * is killed between them, or where a reader comes by.
 */
export async function replace(made: string, target: string, exists: boolean): Promise<void> {
  if (!exists) {
    await rename(made, target)
    return syncFolder(dirname(target))
  }
  const away = `${made}${AWAY}`
  await rename(target, away)
  try {
    await rename(made, target)
  } catch (error) {
    if (await stat(made).catch(() => undefined)) {
      await rename(away, target)
      throw error
    }
  }
  await syncFolder(dirname(target))
  await rm(away, { recursive: true, force: true })
}

/** Makes the names in a folder survive a power failure; where that cannot be asked for, nothing is done. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r').catch(() => undefined)
  try {
    await handle?.sync().catch(() => {})
  } finally {
    await handle?.close()
  }
}

/** Brings a whole new ensemble to its place where both it and the old one, renamed away, stand beside it. */
export async function finish(target: string): Promise<void> {
  if (await stat(target).catch(() => undefined)) return
  const prefix = `.${basename(target)}-`
  const beside = new Set(await readdir(dirname(target)).catch(() => []))
  for (const name of beside) {
    const isOurs = name.startsWith(prefix) && UUID.test(name.slice(prefix.length))
    if (!isOurs || !beside.has(`${name}${AWAY}`)) continue
    const made = join(dirname(target), name)
    await rename(made, target).catch(() => {}) // done by another process, or not allowed: then nothing is found
  }
}
