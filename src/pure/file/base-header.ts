/** Header of an index file: what it holds and where everything stands (docs/index-format.md, version 2). */

import { crc32 } from 'node:zlib'
import { type IndexPlan, STORAGES } from '../../storage.ts'
import { RowFormat } from '../rows.ts'
import { align, equal } from './bytes.ts'
import { Damage } from './damage.ts'

/** Bytes of the header. */
export const HEADER = 256
/** Bytes under one checksum. */
export const BLOCK = 1 << 20

const MAGIC = 'UECINDEX'
const VERSION = 2
const ALIGNMENT = 64
const HAS_FINGERPRINT = 1
const HAS_PREFILTER = 2
const MOST_ROWS = 2 ** 32 - 2

export interface Section {
  /** 0 for one of no length. */
  offset: number
  length: number
}

export interface Header {
  storage: IndexPlan['storage']
  dimension: number
  hasFingerprint: boolean
  hasPrefilter: boolean
  /** Number of rows. */
  count: number
  fileLength: number
  /** Number of blocks. */
  blocks: number
  /** Where the blocks begin. */
  start: number
  /** Fingerprint, id lengths, id bytes, scales and codes of both moments, then the prefilter. */
  sections: readonly Section[]
}

type Contents = Omit<Header, 'fileLength' | 'blocks' | 'start' | 'sections'>

/** The one layout that these contents have. */
export function layout(contents: Contents, fingerprintLength: number, idLength: number): Header {
  const { storage, dimension, hasPrefilter, count } = contents
  const { mean } = new RowFormat({ storage, dimension, prefilter: 'none', fingerprint: undefined })
  const numbers = count * dimension
  const scales = mean.lossy ? 4 * count : 0
  const prefilter = hasPrefilter ? [numbers, 4 * count, 4 * count] : [0, 0, 0]
  const codes = mean.width * numbers
  let end = 0
  const places = [fingerprintLength, 4 * count, idLength, scales, scales, codes, codes, ...prefilter].map(
    (length) => {
      if (length === 0) return { offset: 0, length }
      const offset = align(end, ALIGNMENT)
      end = offset + length
      return { offset, length }
    },
  )
  const blocks = Math.ceil(end / BLOCK)
  const start = align(HEADER + 4 * blocks, ALIGNMENT)
  const sections = places.map(({ offset, length }) => ({ offset: length && start + offset, length }))
  return { ...contents, fileLength: start + end, blocks, start, sections }
}

/** The header's bytes. */
export function encodeHeader(header: Header, tableChecksum: number): Buffer {
  const bytes = Buffer.alloc(HEADER)
  bytes.write(MAGIC, 'latin1')
  const { storage, dimension, hasFingerprint, hasPrefilter, count, fileLength, blocks, sections } = header
  const flags = (hasFingerprint ? HAS_FINGERPRINT : 0) | (hasPrefilter ? HAS_PREFILTER : 0)
  for (const [i, field] of [VERSION, STORAGES.indexOf(storage), dimension, flags].entries())
    bytes.writeUInt32LE(field, 8 + 4 * i)
  bytes.writeBigUInt64LE(BigInt(count), 24)
  bytes.writeBigUInt64LE(BigInt(fileLength), 32)
  bytes.writeUInt32LE(blocks, 40)
  bytes.writeUInt32LE(tableChecksum, 44)
  for (const [i, { offset, length }] of sections.entries()) {
    bytes.writeBigUInt64LE(BigInt(offset), 48 + 16 * i)
    bytes.writeBigUInt64LE(BigInt(length), 56 + 16 * i)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 252)), 252)
  return bytes
}

/** Reads and checks the first {@link HEADER} bytes, or fewer, of a file of `actual` bytes. Throws {@link Damage}. */
export function decodeHeader(bytes: Buffer, actual: number): { header: Header; tableChecksum: number } {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 8) !== MAGIC) throw new Damage('it is not an index')
  const version = bytes.readUInt32LE(8)
  if (version !== VERSION) throw new Damage('it is of another version', version)
  if (bytes.length < HEADER) throw new Damage('it is cut off')
  if (crc32(bytes.subarray(0, 252)) !== bytes.readUInt32LE(252)) throw new Damage('its header is damaged')
  // Sizes beyond 2^53 lose digits here and then contradict the length of the file.
  const u64 = (at: number) => Number(bytes.readBigUInt64LE(at))
  if (u64(32) !== actual) throw new Damage('it is cut off or has bytes to spare')
  const storage = STORAGES[bytes.readUInt32LE(12)]
  const dimension = bytes.readUInt32LE(16)
  const flags = bytes.readUInt32LE(20)
  const count = u64(24)
  const hasPrefilter = (flags & HAS_PREFILTER) !== 0
  if (storage === undefined) throw new Damage('its storage is unknown')
  if (flags > (HAS_FINGERPRINT | HAS_PREFILTER)) throw new Damage('its flags are unknown')
  if (dimension === 0 || count > MOST_ROWS || (hasPrefilter && storage !== 'float32')) {
    throw new Damage('its header contradicts itself')
  }
  const hasFingerprint = (flags & HAS_FINGERPRINT) !== 0
  const contents = { storage, dimension, hasFingerprint, hasPrefilter, count }
  const tableChecksum = bytes.readUInt32LE(44)
  const header = layout(contents, u64(56), u64(88))
  const fits = header.fileLength === actual && (hasFingerprint || u64(56) === 0)
  if (!fits || !equal(encodeHeader(header, tableChecksum), bytes.subarray(0, HEADER))) {
    throw new Damage('its header contradicts itself')
  }
  return { header, tableChecksum }
}
