/** The bytes of a journal (docs/index-format.md), so that tests can forge and damage one. */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Bytes before the first record. */
export const HEADER = 64

/** SHA-256 of a base's header and block table. */
export function identityOf(base: Buffer): Buffer {
  const start = Math.ceil((256 + 4 * base.readUInt32LE(40)) / 64) * 64
  return createHash('sha256').update(base.subarray(0, start)).digest()
}

/** A copy with the committed length set to this. */
export function committed(journal: Buffer, length: number): Buffer {
  const copy = Buffer.from(journal)
  copy.writeBigUInt64LE(BigInt(length), 56)
  copy.writeUInt32LE(crc32(copy.subarray(56, 64)), 52)
  return copy
}

/** A record as docs/index-format.md has it. */
export function record(identity: Buffer, kind: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(kind, 0)
  header.writeBigUInt64LE(BigInt(payload.length), 8)
  header.writeUInt32LE(crc32(payload), 16)
  header.writeUInt32LE(crc32(Buffer.concat([identity, header.subarray(0, 20)])), 20)
  return Buffer.concat([header, payload])
}

/** Where each record ends. */
export function ends(journal: Buffer): number[] {
  const found = [HEADER]
  for (let at = HEADER; at < journal.length; found.push(at)) {
    at += 24 + Number(journal.readBigUInt64LE(at + 8))
  }
  return found
}
