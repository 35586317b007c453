/** Index files made by hand: changed, and given right checksums again. */

import { crc32 } from 'node:zlib'

const HEADER = 256
const BLOCK = 1 << 20

/** Sets every checksum of a base as docs/index-format.md defines it. */
export function seal(bytes: Buffer): Buffer {
  const blocks = bytes.readUInt32LE(40)
  const start = Math.ceil((HEADER + 4 * blocks) / 64) * 64
  for (let i = 0; i < blocks; i++) {
    const block = bytes.subarray(start + i * BLOCK, start + (i + 1) * BLOCK)
    bytes.writeUInt32LE(crc32(block), HEADER + 4 * i)
  }
  return sealHeader(bytes, start)
}

/** Those of the table and the header alone. */
export function sealHeader(bytes: Buffer, start: number): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER, start)), 44)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 252)), 252)
  return bytes
}
