/** The journal's header and records as bytes (docs/index-format.md, version 1 of the journal). */

import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Rows } from '../../backend.ts'
import type { IdBytes } from '../../id-bytes.ts'
import { TimeSlice } from '../../time-slice.ts'
import { align, bytesOf, littleEndian, readFully, reorder } from './bytes.ts'
import { Damage } from './damage.ts'
import { decodeIds } from './id-text.ts'

/** Bytes of the header. */
export const JOURNAL_HEADER = 64
/** Where the committed length stands, behind its checksum. */
export const MARK = 52

export const ADD = 1
export const REMOVE = 2
export const COMPACTED = 3

const MAGIC = 'UECJRNAL'
const VERSION = 1
const RECORD_HEADER = 24

export interface JournalHeader {
  /** Of the base that the records change. */
  identity: Uint8Array
  /** Up to here the journal had reached the disk. */
  committed: number
}

/** What a record changes. */
export type Change = { kind: 'add'; ids: string[]; rows: Rows } | { kind: 'remove'; ids: string[] }

export interface JournalRecord {
  kind: number
  start: number
  end: number
  payload: Buffer
}

export function encodeJournalHeader(identity: Uint8Array): Buffer {
  const bytes = Buffer.alloc(JOURNAL_HEADER)
  bytes.write(MAGIC, 'latin1')
  bytes.writeUInt32LE(VERSION, 8)
  bytes.set(identity, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 48)), 48)
  bytes.set(encodeMark(JOURNAL_HEADER), MARK)
  return bytes
}

/** The bytes at {@link MARK}. */
export function encodeMark(committed: number): Buffer {
  const bytes = Buffer.alloc(JOURNAL_HEADER - MARK)
  bytes.writeBigUInt64LE(BigInt(committed), 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** Reads the header of a journal of `size` bytes; undefined for a new one. Throws {@link Damage}. */
export async function readJournalHeader(
  handle: FileHandle,
  size: number,
): Promise<JournalHeader | undefined> {
  const bytes = Buffer.alloc(Math.min(size, JOURNAL_HEADER))
  await readFully(handle, bytes, 0)
  if (size === 0 || (size === JOURNAL_HEADER && bytes.every((byte) => byte === 0))) return undefined
  if (size < 12 || bytes.toString('latin1', 0, 8) !== MAGIC) throw new Damage('its journal is none')
  const version = bytes.readUInt32LE(8)
  if (version !== VERSION) throw new Damage('its journal is of another version', version)
  if (size < JOURNAL_HEADER) throw new Damage('its journal is cut off')
  const committed = Number(bytes.readBigUInt64LE(56))
  const sound =
    bytes.readUInt32LE(12) === 0 &&
    crc32(bytes.subarray(0, 48)) === bytes.readUInt32LE(48) &&
    crc32(bytes.subarray(56)) === bytes.readUInt32LE(MARK) &&
    committed >= JOURNAL_HEADER &&
    committed <= size
  if (!sound) throw new Damage('the header of its journal is damaged')
  return { identity: bytes.subarray(16, 48), committed }
}

/**
 * The records of a journal of `size` bytes up to the first bad one. Throws {@link Damage} for a bad one below the
 * committed length: an acknowledged change.
 */
export async function* records(
  handle: FileHandle,
  { identity, committed }: JournalHeader,
  size: number,
): AsyncGenerator<JournalRecord, void> {
  let compacted = false
  for (let start = JOURNAL_HEADER; ; ) {
    const record: JournalRecord | undefined = compacted
      ? undefined
      : await readRecord(handle, identity, start, size)
    // What is compacted is committed with the base that follows, not here.
    if (record === undefined || (record.kind === COMPACTED && start < committed)) {
      if (start < committed)
        throw new Damage(`its journal is damaged at byte ${start}, a change that was saved`)
      return
    }
    yield record
    compacted = record.kind === COMPACTED
    start = record.end
  }
}

async function readRecord(
  handle: FileHandle,
  identity: Uint8Array,
  start: number,
  size: number,
): Promise<JournalRecord | undefined> {
  if (start + RECORD_HEADER > size) return undefined
  const header = Buffer.alloc(RECORD_HEADER)
  await readFully(handle, header, start)
  const kind = header.readUInt32LE(0)
  const length = Number(header.readBigUInt64LE(8))
  const end = start + RECORD_HEADER + length
  const sound =
    headerChecksum(identity, header) === header.readUInt32LE(20) &&
    kind >= ADD &&
    kind <= COMPACTED &&
    header.readUInt32LE(4) === 0
  if (!sound || end > size) return undefined
  const payload = Buffer.alloc(length)
  await readFully(handle, payload, start + RECORD_HEADER)
  return crc32(payload) === header.readUInt32LE(16) ? { kind, start, end, payload } : undefined
}

/** The header of a record for one base, whose payload has this checksum. */
export function encodeRecordHeader(
  identity: Uint8Array,
  kind: number,
  length: number,
  checksum: number,
): Buffer {
  const bytes = Buffer.alloc(RECORD_HEADER)
  bytes.writeUInt32LE(kind, 0)
  bytes.writeBigUInt64LE(BigInt(length), 8)
  bytes.writeUInt32LE(checksum, 16)
  bytes.writeUInt32LE(headerChecksum(identity, bytes), 20)
  return bytes
}

function headerChecksum(identity: Uint8Array, header: Buffer): number {
  return crc32(header.subarray(0, 20), crc32(identity))
}

/** The payload of an add, or without rows of a remove, in pieces. */
export function encodeChange({ bytes, lengths }: IdBytes, rows?: Rows): Uint8Array[] {
  const head = Buffer.alloc(align(8 + lengths.byteLength + bytes.length, 8))
  head.writeUInt32LE(lengths.length, 0)
  head.set(littleEndian(lengths), 8)
  head.set(bytes, 8 + lengths.byteLength)
  return rows ? [head, littleEndian(rows.mean), littleEndian(rows.variance)] : [head]
}

/** Reads the payload of an add or a remove. Throws {@link Damage} where it contradicts itself. */
export async function decodeChange({ kind, payload }: JournalRecord, dimension: number): Promise<Change> {
  const contradicts = () => new Damage('a record of its journal contradicts itself')
  if (payload.length < 8) throw contradicts()
  const count = payload.readUInt32LE(0)
  const ends = 8 + 4 * count
  if (count === 0 || payload.readUInt32LE(4) !== 0 || ends > payload.length) throw contradicts()
  const lengths = Uint32Array.from({ length: count }, (_, i) => payload.readUInt32LE(8 + 4 * i))
  const idLength = lengths.reduce((sum, length) => sum + length, 0)
  const head = align(ends + idLength, 8)
  const numbers = kind === ADD ? count * dimension : 0
  if (payload.length !== head + 8 * numbers) throw contradicts()
  if (payload.subarray(ends + idLength, head).some((byte) => byte !== 0)) throw contradicts()
  const ids: string[] = []
  await decodeIds(payload.subarray(ends, ends + idLength), lengths, new TimeSlice(), (id) => ids.push(id))
  if (kind === REMOVE) return { kind: 'remove', ids }
  const floats = (start: number) => {
    const copy = new Float32Array(numbers)
    bytesOf(copy).set(payload.subarray(start, start + 4 * numbers))
    reorder(copy)
    return copy
  }
  return { kind: 'add', ids, rows: { mean: floats(head), variance: floats(head + 4 * numbers), dimension } }
}
