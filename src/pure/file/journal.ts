/**
 * The journal beside an index file: changes since the base was written, each on the disk before it is acknowledged
 * (docs/index-format.md). The file is opened for each write, so that an index that nobody holds leaves nothing open.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { TimeSlice } from '../../time-slice.ts'
import { CHUNK, equal, openIfThere, writeFully } from './bytes.ts'
import { Damage } from './damage.ts'
import {
  type Change,
  COMPACTED,
  decodeChange,
  encodeJournalHeader,
  encodeMark,
  encodeRecordHeader,
  JOURNAL_HEADER,
  MARK,
  readJournalHeader,
  records,
} from './journal-format.ts'

export const journalOf = (file: string) => `${file}.journal`

/** What a journal is to a base. */
interface Relation {
  /** Whether its records change this base; otherwise none of them counts. */
  current: boolean
  /** End of the records that count. */
  end: number
  size: number
}

/** Takes the change of a record; undefined where only the soundness of the journal is asked for. */
export type Apply = ((change: Change) => Promise<void>) | undefined

/**
 * Reads a journal beside the base of this identity (undefined: there is no sound one) and hands its changes over.
 * Throws {@link Damage} for one that is damaged or belongs to another base.
 */
export async function replay(
  handle: FileHandle,
  base: Uint8Array | undefined,
  dimension: number,
  apply: Apply,
): Promise<Relation> {
  const { size } = await handle.stat()
  const header = await readJournalHeader(handle, size)
  if (header === undefined) return { current: false, end: 0, size }
  const current = base !== undefined && equal(header.identity, base)
  let end = JOURNAL_HEADER
  let compacted: Uint8Array | undefined
  for await (const record of records(handle, header, size)) {
    if (record.kind === COMPACTED) {
      if (record.payload.length !== 32) throw new Damage('a record of its journal contradicts itself')
      compacted = record.payload
      continue
    }
    end = record.end
    if (!current || !apply) continue
    const change = await decodeChange(record, dimension)
    await apply(change)
  }
  const spent = base !== undefined && compacted !== undefined && equal(compacted, base)
  if (current || spent || end === JOURNAL_HEADER) return { current, end, size }
  throw new Damage(
    'it was replaced, or removed, while there were changes in its journal',
    undefined,
    'Restore the file that they belong to, or delete the journal and lose them',
  )
}

/** A journal that is ours to write. */
export class Journal {
  readonly #file: string
  #identity: Uint8Array
  #end: number
  /** End before the last record. */
  #before = JOURNAL_HEADER
  /** What has to be done before the next record, after something failed. */
  #repair: ((handle: FileHandle) => Promise<void>) | undefined

  private constructor(file: string, identity: Uint8Array, end: number) {
    this.#file = file
    this.#identity = identity
    this.#end = end
  }

  /** Replays the journal, cuts off what does not count, and makes it one of this base. Created where there is none, with `rights`. */
  static async open(
    file: string,
    base: Uint8Array,
    dimension: number,
    apply: Apply,
    syncFolder: () => Promise<void>,
    rights?: number,
  ): Promise<Journal> {
    const existing = await openIfThere(file, 'r+')
    const handle = existing ?? (await open(file, 'wx+', rights))
    try {
      const journal = await Journal.settle(file, handle, base, dimension, apply)
      if (!existing) await syncFolder()
      return journal
    } finally {
      await handle.close()
    }
  }

  /** The same of a file that is open, whose base may not be sound. */
  static async settle(
    file: string,
    handle: FileHandle,
    base: Uint8Array | undefined,
    dimension: number,
    apply: Apply,
  ): Promise<Journal> {
    const { current, end, size } = await replay(handle, base, dimension, apply)
    const identity = base ?? new Uint8Array(32)
    const journal = new Journal(file, identity, end)
    if (!current) await journal.#reset(handle, identity)
    else if (size > end) await journal.#cut(handle)
    return journal
  }

  /** Resolves once a change is on the disk; if it fails, nothing has happened. */
  async append(kind: number, payload: readonly Uint8Array[]): Promise<void> {
    await this.#with(async (handle) => {
      await this.#write(handle, kind, payload)
      try {
        await writeFully(handle, encodeMark(this.#end), MARK)
      } catch (error) {
        this.#end = this.#before
        await this.#try(handle, (again) => this.#cut(again))
        throw error
      }
    })
  }

  /** Says on the disk that a base of this identity, about to be put in place, holds all changes. */
  async announce(identity: Uint8Array): Promise<void> {
    await this.#with((handle) => this.#write(handle, COMPACTED, [identity]))
  }

  /** Takes {@link announce} back, now or before the next record. */
  async withdraw(): Promise<void> {
    this.#end = this.#before
    this.#repair = (handle) => this.#cut(handle)
    await this.#with(async () => {}).catch(() => {})
  }

  /**
   * Begins anew beside the base that was announced, now or before the next record. That base is in place for good once
   * `syncFolder` has worked.
   */
  async follow(identity: Uint8Array, syncFolder: () => Promise<void>): Promise<void> {
    this.#end = JOURNAL_HEADER
    this.#identity = identity
    this.#repair = async (handle) => {
      await syncFolder()
      await this.#reset(handle, identity)
    }
    await this.#with(async () => {}).catch(() => {})
  }

  /** Works on the file, once what failed before is mended. */
  async #with<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    const handle = await open(this.#file, 'r+')
    try {
      await this.#repair?.(handle)
      this.#repair = undefined
      return await work(handle)
    } finally {
      await handle.close()
    }
  }

  /** Writes a record at the end and syncs it. */
  async #write(handle: FileHandle, kind: number, payload: readonly Uint8Array[]): Promise<void> {
    const slice = new TimeSlice()
    let checksum = 0
    let length = 0
    for (const piece of payload) {
      length += piece.length
      for (let at = 0; at < piece.length; at += CHUNK) {
        checksum = crc32(piece.subarray(at, at + CHUNK), checksum)
        if (slice.spent(CHUNK / 16)) await slice.next()
      }
    }
    const start = this.#end
    let end = start
    try {
      for (const piece of [encodeRecordHeader(this.#identity, kind, length, checksum), ...payload]) {
        await writeFully(handle, piece, end)
        end += piece.length
      }
      await handle.datasync()
    } catch (error) {
      await this.#try(handle, (again) => this.#cut(again))
      throw error
    }
    this.#before = start
    this.#end = end
  }

  /** Mends now, or else before the next record. */
  async #try(handle: FileHandle, repair: (handle: FileHandle) => Promise<void>): Promise<void> {
    this.#repair = repair
    await repair(handle).then(
      () => {
        this.#repair = undefined
      },
      () => {},
    )
  }

  /** Back to the records that count. */
  async #cut(handle: FileHandle): Promise<void> {
    await writeFully(handle, encodeMark(this.#end), MARK)
    await handle.truncate(this.#end)
    await handle.sync()
  }

  /** The records are void before they are gone. */
  async #reset(handle: FileHandle, identity: Uint8Array): Promise<void> {
    await writeFully(handle, encodeJournalHeader(identity), 0)
    await handle.sync()
    await handle.truncate(JOURNAL_HEADER)
    await handle.sync()
    this.#end = JOURNAL_HEADER
  }
}
