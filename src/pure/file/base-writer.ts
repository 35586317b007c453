/** Writes an index file: the sections first, then their checksums and the header. The same index gives the same bytes. */

import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { encodeIds } from '../../id-bytes.ts'
import type { IndexPlan } from '../../storage.ts'
import { TimeSlice } from '../../time-slice.ts'
import type { State } from '../index-state.ts'
import { BLOCK, encodeHeader, HEADER, layout } from './base-header.ts'
import { FIRST_PART, PARTS } from './base-reader.ts'
import { littleEndian, writeFully } from './bytes.ts'

/** Writes to an empty file; returns its identity. */
export async function writeBase(
  handle: FileHandle,
  { dimension, storage, prefilter, fingerprint }: IndexPlan,
  { blocks, size }: State,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const names = blocks.flatMap(({ columns, count }) => columns.ids.slice(0, count))
  const ids = await encodeIds(names, new TimeSlice(signal))
  const text = Buffer.from(fingerprint ?? '')
  const hasFingerprint = fingerprint !== undefined
  const contents = { storage, dimension, hasFingerprint, hasPrefilter: prefilter === 'int8', count: size }
  const header = layout(contents, text.length, ids.bytes.length)
  const { sections, start } = header
  const content = new BlockWriter(handle, start, signal)
  await content.write(sections[0]!.offset, text)
  await content.write(sections[1]!.offset, littleEndian(ids.lengths))
  await content.write(sections[2]!.offset, ids.bytes)
  for (const [p, part] of PARTS.entries()) {
    let { offset } = sections[FIRST_PART + p]!
    for (const { columns, count } of blocks) {
      const numbers = part(columns)
      const shown = numbers.subarray(0, (numbers.length / columns.capacity) * count)
      await content.write(offset, littleEndian(shown))
      offset += shown.byteLength
    }
  }
  const table = Buffer.alloc(start - HEADER)
  for (const [i, checksum] of content.end().entries()) table.writeUInt32LE(checksum, 4 * i)
  const head = Buffer.concat([encodeHeader(header, crc32(table)), table])
  await writeFully(handle, head, 0)
  return createHash('sha256').update(head).digest()
}

/** Writes one section after the other and sums up each block. */
class BlockWriter {
  readonly #handle: FileHandle
  readonly #start: number
  readonly #signal: AbortSignal | undefined
  readonly #checksums: number[] = []
  #at: number
  #checksum = 0

  constructor(handle: FileHandle, start: number, signal: AbortSignal | undefined) {
    this.#handle = handle
    this.#start = start
    this.#signal = signal
    this.#at = start
  }

  /** Writes at `offset`, with zeros up to there. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    await this.#next(new Uint8Array(offset - this.#at))
    await this.#next(bytes)
  }

  /** The checksums of all blocks. */
  end(): readonly number[] {
    if ((this.#at - this.#start) % BLOCK !== 0) this.#checksums.push(this.#checksum)
    return this.#checksums
  }

  async #next(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      this.#signal?.throwIfAborted()
      const left = BLOCK - ((this.#at - this.#start) % BLOCK)
      const piece = bytes.subarray(at, at + left)
      await writeFully(this.#handle, piece, this.#at)
      this.#checksum = crc32(piece, this.#checksum)
      this.#at += piece.length
      at += piece.length
      if (piece.length === left) {
        this.#checksums.push(this.#checksum)
        this.#checksum = 0
      }
    }
  }
}
