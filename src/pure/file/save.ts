/** Saving: a new base in the place of the old one, and a journal beside it, if there is one, that begins anew. */

import { open } from 'node:fs/promises'
import type { IndexPlan } from '../../storage.ts'
import type { State } from '../index-state.ts'
import { readHead } from './base-reader.ts'
import { writeBase } from './base-writer.ts'
import { openIfThere } from './bytes.ts'
import { Damage, readError, writeError } from './damage.ts'
import type { IndexFile } from './index-file.ts'
import { Journal, journalOf } from './journal.ts'
import { lock, unlock } from './locks.ts'
import { replaceFile, resolveTarget, syncFolder } from './replace.ts'

/** Writes a file; `own` is the one that the index was opened from. ERR_FILE_WRITE, ERR_FILE_LOCKED, ERR_FILE_CORRUPT. */
export async function saveIndexFile(
  path: string,
  plan: IndexPlan,
  state: State,
  own: IndexFile | undefined,
  signal?: AbortSignal,
): Promise<void> {
  try {
    const file = await resolveTarget(path)
    if (own?.path === file) await save(file, plan, state, own.journal, signal)
    else await saveBesideJournal(file, plan, state, signal)
  } catch (error) {
    throw signal?.aborted ? signal.reason : writeError(path, error)
  }
}

async function save(
  file: string,
  plan: IndexPlan,
  state: State,
  journal: Journal | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = () => syncFolder(file)
  const identity = await replaceFile(
    file,
    (handle) => writeBase(handle, plan, state, signal),
    async (written) => {
      signal?.throwIfAborted()
      await journal?.announce(written)
    },
    async () => journal?.withdraw(),
  )
  await journal?.follow(identity, folder)
  await folder()
}

/** Saves over a file that this index does not have open, and that nobody else may have open either. */
async function saveBesideJournal(
  file: string,
  plan: IndexPlan,
  state: State,
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await openIfThere(journalOf(file), 'r+')
  if (handle === undefined) return save(file, plan, state, undefined, signal)
  const owner = {}
  try {
    lock(file, owner)
    const base = await identityOf(file)
    const journal = await Journal.settle(journalOf(file), handle, base, plan.dimension, undefined)
    await save(file, plan, state, journal, signal)
  } catch (error) {
    throw error instanceof Damage ? readError(file, error) : error
  } finally {
    unlock(file, owner)
    await handle.close()
  }
}

/** Of the base, if there is a sound one. */
async function identityOf(file: string): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(file)
    try {
      return (await readHead(handle)).identity
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}
