/** Header of an index file: where everything stands (docs/index-format.md, version 1). */

/** Bytes of the header. */
export const HEADER = 192
/** Where the SHA-256 of the file stands; its bytes count as zeros in the sum. */
export const DIGEST = { offset: 104, length: 32 }

const MAGIC = 'UECINDEX'
const VERSION = 1
const FLOAT32 = 0
const ALIGNMENT = 64
const HAS_FINGERPRINT = 1
const MOST_ROWS = 2 ** 32 - 2

export interface Section {
  offset: number
  length: number
}

export interface Header {
  dimension: number
  hasFingerprint: boolean
  /** Number of rows. */
  count: number
  fileLength: number
  fingerprint: Section
  ids: Section
  means: Section
  variances: Section
}

/** What is wrong with a file, for the end of a sentence. */
export class Damage extends Error {
  /** The version of a file that is too new. */
  readonly version: number | undefined

  constructor(message: string, version?: number) {
    super(message)
    this.version = version
  }
}

/** The one layout that these sizes have. */
export function layout(
  dimension: number,
  hasFingerprint: boolean,
  count: number,
  fingerprintLength: number,
  idsLength: number,
): Header {
  let end = HEADER
  const section = (length: number): Section => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    end = offset + length
    return { offset, length }
  }
  const numbers = count * dimension * Float32Array.BYTES_PER_ELEMENT
  const sections = {
    fingerprint: section(fingerprintLength),
    ids: section(idsLength),
    means: section(numbers),
    variances: section(numbers),
  }
  return { dimension, hasFingerprint, count, fileLength: end, ...sections }
}

/** The header's bytes, with zeros for the digest. */
export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER)
  const view = new DataView(bytes.buffer)
  new TextEncoder().encodeInto(MAGIC, bytes)
  for (const [i, field] of [
    VERSION,
    FLOAT32,
    header.dimension,
    header.hasFingerprint ? HAS_FINGERPRINT : 0,
  ].entries()) {
    view.setUint32(8 + 4 * i, field, true)
  }
  const { count, fileLength, fingerprint, ids, means, variances } = header
  const places = [fingerprint, ids, means, variances].flatMap(({ offset, length }) => [offset, length])
  for (const [i, field] of [count, fileLength, ...places].entries()) {
    view.setBigUint64(24 + 8 * i, BigInt(field), true)
  }
  return bytes
}

/** Reads and checks the header of a file of `actual` bytes. Throws {@link Damage}. */
export function decodeHeader(bytes: Uint8Array, actual: number): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Sizes beyond 2^53 lose digits here and then contradict the length of the file.
  const u64 = (at: number) => Number(view.getBigUint64(at, true))
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 8)) !== MAGIC) throw new Damage('it is not an index')
  const version = view.getUint32(8, true)
  if (version > VERSION) throw new Damage('it is newer', version)
  if (version !== VERSION) throw new Damage('its version is unknown')
  if (view.getUint32(12, true) !== FLOAT32) throw new Damage('its storage format is unknown')
  const dimension = view.getUint32(16, true)
  const flags = view.getUint32(20, true)
  const count = u64(24)
  if (u64(32) !== actual) throw new Damage('it is cut off or has bytes to spare')
  const header = layout(dimension, flags === HAS_FINGERPRINT, count, u64(48), u64(64))
  const expected = encodeHeader(header).subarray(24, DIGEST.offset)
  const found = bytes.subarray(24, DIGEST.offset)
  const contradicts = expected.some((byte, i) => byte !== found[i])
  if (dimension === 0 || flags > HAS_FINGERPRINT || count > MOST_ROWS || contradicts) {
    throw new Damage('its header contradicts itself')
  }
  return header
}
