// Damage to bytes and to JSON, chosen by a random generator.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

const pick = (next, list) => list[Math.floor(next() * list.length)]

/** Beginnings of a file are where its sizes stand: half of the damage goes there. */
const place = (next, length) => Math.floor(next() * (next() < 0.5 ? Math.min(length, 256) : length))

const BYTES = [
  (next, bytes) => bytes.subarray(0, place(next, bytes.length)),
  (next, bytes) => {
    for (let n = 1 + Math.floor(next() * 8); n > 0; n--)
      bytes[place(next, bytes.length)] ^= 1 << Math.floor(next() * 8)
    return bytes
  },
  (next, bytes) => {
    const at = place(next, bytes.length)
    const more = Buffer.from(Array.from({ length: 1 + Math.floor(next() * 64) }, () => next() * 256))
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
  },
  (next, bytes) => {
    const at = place(next, bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(next() * 64))])
  },
  // A huge length, as a little-endian integer or as the varint of protobuf.
  (next, bytes) => {
    const huge = Buffer.from(
      pick(next, ['ffffffff', 'ffffffffffffff7f', '0000000000010000', 'ffffffffff7f']),
      'hex',
    )
    huge.copy(
      bytes,
      Math.min(place(next, bytes.length) & (next() < 0.5 ? ~7 : ~0), bytes.length - huge.length),
    )
    return bytes
  },
]

/** A damaged copy of a file's content. */
export function damageBytes(next, content) {
  let bytes = Buffer.from(content)
  for (let n = 1 + Math.floor(next() * 2); n > 0 && bytes.length > 16; n--)
    bytes = pick(next, BYTES)(next, bytes)
  return bytes
}

const VALUES = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  4294967296,
  -(2 ** 63),
  '',
  'NaN',
  '../../../etc/passwd',
  '\0',
  'ä'.repeat(70_000),
  [],
  {},
  [[]],
  Array(1000).fill(0),
]

/** A copy of a JSON value in which one to three members are replaced, removed or doubled. */
export function damageValue(next, value) {
  const copy = structuredClone(value)
  for (let n = 1 + Math.floor(next() * 3); n > 0; n--) {
    let parent = copy
    for (;;) {
      const keys = Object.keys(parent)
      if (keys.length === 0) break
      const key = pick(next, keys)
      const below = parent[key]
      if (typeof below === 'object' && below !== null && next() < 0.8) {
        parent = below
        continue
      }
      const kind = next()
      if (kind < 0.15) delete parent[key]
      else if (kind < 0.25) parent[`${key}x`] = below
      else parent[key] = structuredClone(pick(next, VALUES))
      break
    }
  }
  return copy
}

/** Bytes of a JSON file, damaged as text or as a value, or nested too deep. */
export function damageJson(next, content) {
  const kind = next()
  if (kind < 0.4) return damageBytes(next, content)
  if (kind < 0.43) return Buffer.from('[{"a":'.repeat(1 + next() * 100_000))
  return Buffer.from(JSON.stringify(damageValue(next, JSON.parse(content.toString('utf8')))))
}

/** Now and then bytes of another file in the place of its own, as if two saves had mixed; other damage else. */
function damageOrSplice(next, content, other) {
  if (next() < 0.8) return damageBytes(next, content)
  const bytes = Buffer.from(content)
  const start = place(next, Math.min(bytes.length, other.length))
  const end = next() < 0.5 ? bytes.length : start + Math.floor(next() * 4096)
  other.copy(bytes, start, start, Math.min(end, other.length))
  return bytes
}

const BLOCK = 1 << 20

/** Damage to an index file of the library, with another one of the same plan at hand (docs/index-format.md). */
export function damageIndex(next, content, other) {
  const bytes = damageOrSplice(next, content, other)
  const forged = bytes.length >= 256 && next() < 0.5
  if (forged) forgeIndex(bytes, next() < 0.8)
  return { bytes, forged }
}

/** Gives it checksums, and often a length, that fit its damage: what stands behind them is reached. */
function forgeIndex(bytes, fitting) {
  if (fitting) bytes.writeBigUInt64LE(BigInt(bytes.length), 32)
  const start = Math.min(Math.ceil((256 + 4 * bytes.readUInt32LE(40)) / 64) * 64, bytes.length)
  for (let at = start, entry = 256; at < bytes.length && entry + 4 <= start; at += BLOCK, entry += 4)
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + BLOCK)), entry)
  bytes.writeUInt32LE(crc32(bytes.subarray(256, start)), 44)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 252)), 252)
}

/** A copy of a journal that says it had reached the disk up to here. */
export function committed(journal, length) {
  const copy = Buffer.from(journal)
  copy.writeBigUInt64LE(BigInt(length), 56)
  copy.writeUInt32LE(crc32(copy.subarray(56, 64)), 52)
  return copy
}

/** Where the records of a journal end. */
export function recordEnds(journal) {
  const ends = [64]
  for (let at = 64; at + 24 <= journal.length; ends.push(at))
    at += 24 + Number(journal.readBigUInt64LE(at + 8))
  return ends
}

/** Damage to a journal of which the first `acknowledged` bytes count. */
export function damageJournal(next, content, other, acknowledged) {
  const bytes = damageOrSplice(next, committed(content, acknowledged), other)
  const forged = bytes.length >= 64 && next() < 0.5
  if (forged) forgeJournal(bytes, next() < 0.5)
  return { bytes, forged }
}

function forgeJournal(bytes, fitting) {
  if (fitting) bytes.writeBigUInt64LE(BigInt(bytes.length), 56)
  bytes.writeUInt32LE(crc32(bytes.subarray(56, 64)), 52)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 48)), 48)
  for (let at = 64; at + 24 <= bytes.length; ) {
    const end = at + 24 + Number(bytes.readBigUInt64LE(at + 8))
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 24, end)), at + 16)
    bytes.writeUInt32LE(crc32(Buffer.concat([bytes.subarray(16, 48), bytes.subarray(at, at + 20)])), at + 20)
    at = end
  }
}

const TENSORS = ['sample_hash', 'sample_norm', 'weight_norm2', 'H', 'gamma', 'sample_h', 'sample_mean']

/** A posterior file whose header or numbers are damaged and whose checksum fits (docs/posterior-format.md). */
export function damagePosterior(next, content) {
  if (next() < 0.5) return damageBytes(next, content)
  const start = 8 + Number(content.readBigUInt64LE(0))
  const header = JSON.parse(content.toString('utf8', 8, start))
  const data = Buffer.from(content.subarray(start))
  if (next() < 0.3) for (let n = 4; n > 0; n--) data[Math.floor(next() * data.length)] = next() * 256
  else if (next() < 0.7) header.__metadata__ = damageValue(next, header.__metadata__)
  else Object.assign(header, damageValue(next, header))
  const length = (n) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(n)))
    return bytes
  }
  const hash = createHash('sha256')
  const metadata = header.__metadata__
  try {
    for (const key of Object.keys(metadata).sort())
      if (key !== 'checksum')
        for (const text of [key, metadata[key]]) hash.update(length(Buffer.byteLength(text))).update(text)
    for (const name of TENSORS) {
      const { shape, data_offsets } = header[name]
      const part = data.subarray(...data_offsets)
      for (const piece of [...shape.map(length), part]) hash.update(length(piece.length)).update(piece)
    }
    metadata.checksum = hash.digest('hex')
  } catch {} // what has no checksum is refused before it
  const text = Buffer.from(JSON.stringify(header))
  return Buffer.concat([length(text.length), text, data])
}
