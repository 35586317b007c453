/**
 * An index file and its journal, as the native index writes them (docs/index-format.md). The modules of this folder are
 * the only ones that need Node; they are loaded when a file is first opened or saved.
 */

import { open, realpath, stat } from 'node:fs/promises'
import type { Rows } from '../../backend.ts'
import { encodeIds } from '../../id-bytes.ts'
import type { IndexPlan } from '../../storage.ts'
import { TimeSlice } from '../../time-slice.ts'
import type { State } from '../index-state.ts'
import { type Base, readBase } from './base-reader.ts'
import { openIfThere, readFully } from './bytes.ts'
import { codeOf, Damage, readError, writeError } from './damage.ts'
import { type Apply, Journal, journalOf, replay } from './journal.ts'
import { ADD, type Change, encodeChange, JOURNAL_HEADER, REMOVE } from './journal-format.ts'
import { lock, unlock } from './locks.ts'
import { rightsOf, syncFolder } from './replace.ts'

export { saveIndexFile } from './save.ts'
export type { Change }

/** Makes an index of what a base holds, and applies the changes since then. */
export type Load<Store> = (
  plan: IndexPlan,
  state: State,
) => Promise<{ store: Store; apply: (change: Change) => Promise<void> }>

/** A file that is open for writing. */
export class IndexFile {
  /** With its links resolved. */
  readonly path: string
  #journal: Journal | undefined

  constructor(path: string) {
    this.path = path
    lock(path, this)
  }

  /** Set while the file is open. */
  get journal(): Journal {
    if (this.#journal) return this.#journal
    throw new Damage('it is not open')
  }

  async begin(base: Base, apply: Apply): Promise<void> {
    const folder = () => syncFolder(this.path)
    const { dimension } = base.plan
    try {
      const rights = await rightsOf(this.path)
      this.#journal = await Journal.open(
        journalOf(this.path),
        base.identity,
        dimension,
        apply,
        folder,
        rights,
      )
    } catch (error) {
      throw codeOf(error) === undefined ? error : writeError(journalOf(this.path), error)
    }
  }

  /** Resolves once the change is on the disk. ERR_FILE_WRITE: nothing has happened. */
  add(ids: readonly string[], rows: Rows): Promise<void> {
    return this.#append(ADD, ids, rows)
  }

  remove(ids: readonly string[]): Promise<void> {
    return this.#append(REMOVE, ids)
  }

  close(): void {
    unlock(this.path, this)
  }

  async #append(kind: number, ids: readonly string[], rows?: Rows): Promise<void> {
    const encoded = await encodeIds(ids, new TimeSlice())
    try {
      await this.journal.append(kind, encodeChange(encoded, rows))
    } catch (error) {
      throw writeError(journalOf(this.path), error)
    }
  }
}

/**
 * Opens a file. ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION, ERR_FILE_LOCKED, ERR_FILE_WRITE where the journal
 * cannot be written, ERR_OUT_OF_MEMORY.
 */
export async function openIndexFile<Store>(
  path: string,
  readonly: boolean,
  load: Load<Store>,
  signal?: AbortSignal,
): Promise<{ store: Store; file?: IndexFile }> {
  try {
    const file = await realpath(path)
    if (readonly) return { store: await openReadonly(file, load, signal) }
    return await openWritable(file, load, signal)
  } catch (error) {
    throw signal?.aborted ? signal.reason : readError(path, error)
  }
}

async function openWritable<Store>(path: string, load: Load<Store>, signal: AbortSignal | undefined) {
  const file = new IndexFile(path)
  try {
    const base = await baseOf(path, signal)
    const { store, apply } = await load(base.plan, base.state)
    await file.begin(base, apply)
    return { store, file }
  } catch (error) {
    file.close()
    throw error
  }
}

/** Begins again where a writer was at work: where the two files do not fit together and one of them has changed. */
async function openReadonly<Store>(
  path: string,
  load: Load<Store>,
  signal: AbortSignal | undefined,
): Promise<Store> {
  while (true) {
    signal?.throwIfAborted()
    const before = await trace(path)
    const { store, fits } = await readBoth(path, load, signal).catch(async (error: unknown) => {
      if (signal?.aborted || (await trace(path)) === before) throw error
      return { store: undefined, fits: false }
    })
    if (store !== undefined && (fits || (await trace(path)) === before)) return store
  }
}

async function readBoth<Store>(path: string, load: Load<Store>, signal: AbortSignal | undefined) {
  const base = await baseOf(path, signal)
  const { store, apply } = await load(base.plan, base.state)
  const journal = await openIfThere(journalOf(path))
  if (journal === undefined) return { store, fits: true }
  try {
    const { current } = await replay(journal, base.identity, base.plan.dimension, apply)
    return { store, fits: current }
  } finally {
    await journal.close()
  }
}

async function baseOf(path: string, signal: AbortSignal | undefined): Promise<Base> {
  const handle = await open(path)
  try {
    return await readBase(handle, signal)
  } finally {
    await handle.close()
  }
}

/** Changes where a writer replaces the base or writes to the journal. */
async function trace(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true })
  const journal = await openIfThere(journalOf(path))
  if (journal === undefined) return `${ino} ${size} ${mtimeNs}`
  try {
    const { size: journalSize } = await journal.stat()
    const bytes = Buffer.alloc(Math.min(JOURNAL_HEADER, journalSize))
    await readFully(journal, bytes, 0)
    return `${ino} ${size} ${mtimeNs} ${journalSize} ${bytes.toString('hex')}`
  } finally {
    await journal.close()
  }
}
