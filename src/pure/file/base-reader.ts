/**
 * Reads an index file, trusting nothing: every size is compared with the file's length before memory is asked for, then
 * every checksum and number is checked. Straight into the memory that keeps the rows.
 */

import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { IndexPlan } from '../../storage.ts'
import { TimeSlice } from '../../time-slice.ts'
import type { State } from '../index-state.ts'
import { type Block, type Columns, RowFormat, rowProblem } from '../rows.ts'
import { BLOCK, decodeHeader, HEADER, type Header } from './base-header.ts'
import { bytesOf, CHUNK, readFully, reorder } from './bytes.ts'
import { Damage } from './damage.ts'
import { decodeIds, decodeText } from './id-text.ts'

export interface Base {
  plan: IndexPlan
  state: State
  /** Of the file: SHA-256 of its header and its checksums. */
  identity: Uint8Array
}

interface Head {
  header: Header
  /** Of the blocks. */
  checksums: Uint32Array
  identity: Uint8Array
}

/** What section 3 and those after it hold of a block. */
export const PARTS: readonly ((columns: Columns) => Parameters<typeof bytesOf>[0])[] = [
  ({ mean }) => mean.scales,
  ({ variance }) => variance.scales,
  ({ mean }) => mean.codes,
  ({ variance }) => variance.codes,
  ({ prefilter }) => prefilter?.codes ?? new Int8Array(),
  ({ prefilter }) => prefilter?.scales ?? new Float32Array(),
  ({ prefilter }) => prefilter?.errors ?? new Float32Array(),
]
export const FIRST_PART = 3

/** The header and the table of checksums, both checked. */
export async function readHead(handle: FileHandle): Promise<Head> {
  const { size } = await handle.stat()
  const first = Buffer.alloc(Math.min(size, HEADER))
  await readFully(handle, first, 0)
  const { header, tableChecksum } = decodeHeader(first, size)
  const table = Buffer.alloc(header.start - HEADER)
  await readFully(handle, table, HEADER)
  if (crc32(table) !== tableChecksum) throw new Damage('its table of checksums is damaged')
  const checksums = Uint32Array.from({ length: header.blocks }, (_, i) => table.readUInt32LE(4 * i))
  checkZeros(table.subarray(4 * header.blocks))
  return { header, checksums, identity: createHash('sha256').update(first).update(table).digest() }
}

/** Reads a whole file. Throws {@link Damage} or what the system says. */
export async function readBase(handle: FileHandle, signal?: AbortSignal): Promise<Base> {
  const { header, checksums, identity } = await readHead(handle)
  const { storage, dimension, count, sections } = header
  const slice = new TimeSlice(signal)
  const content = new BlockStream(handle, header.start, checksums, signal)
  const fingerprint = new Uint8Array(sections[0]!.length)
  const lengths = new Uint32Array(count)
  const idBytes = new Uint8Array(sections[2]!.length)
  for (const [i, bytes] of [fingerprint, lengths, idBytes].entries()) {
    await content.read(sections[i]!.offset, bytes)
  }
  const plan: IndexPlan = {
    dimension,
    storage,
    prefilter: header.hasPrefilter ? 'int8' : 'none',
    fingerprint: header.hasFingerprint ? decodeText(fingerprint) : undefined,
  }
  const format = new RowFormat(plan)
  const blocks: Block[] = []
  for (let rows = 0; rows < count; rows += format.height) {
    const columns = format.allocate(Math.min(format.height, count - rows))
    blocks.push({ columns, count: columns.capacity })
    columns.positions.forEach((_, row) => {
      columns.positions[row] = rows + row
    })
    if (slice.spent(format.height * dimension)) await slice.next()
  }
  for (const [p, part] of PARTS.entries()) {
    let { offset } = sections[FIRST_PART + p]!
    for (const { columns } of blocks) {
      const numbers = part(columns)
      await content.read(offset, numbers)
      offset += numbers.byteLength
    }
  }
  await content.end()
  await decodeIds(idBytes, lengths, slice, (id, row) => {
    blocks[Math.floor(row / format.height)]!.columns.ids.push(id)
  })
  for (const block of blocks) await checkRows(format, block, slice)
  return { plan, identity, state: { blocks, size: count, idBytes: idBytes.length, next: count } }
}

/** The bytes behind the table, one after the other, with their checksums. */
class BlockStream {
  readonly #handle: FileHandle
  readonly #start: number
  readonly #checksums: Uint32Array
  readonly #signal: AbortSignal | undefined
  #at: number
  #checksum = 0

  constructor(handle: FileHandle, start: number, checksums: Uint32Array, signal: AbortSignal | undefined) {
    this.#handle = handle
    this.#start = start
    this.#at = start
    this.#checksums = checksums
    this.#signal = signal
  }

  /** Fills numbers from `offset`, which is here or behind a gap of zeros. */
  async read(offset: number, numbers: Parameters<typeof bytesOf>[0]): Promise<void> {
    if (numbers.length === 0) return
    const gap = new Uint8Array(offset - this.#at)
    await this.#fill(gap)
    checkZeros(gap)
    await this.#fill(bytesOf(numbers))
    reorder(numbers)
  }

  /** At the end of the file: checks the last block. */
  async end(): Promise<void> {
    if ((this.#at - this.#start) % BLOCK !== 0) this.#check()
  }

  async #fill(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      this.#signal?.throwIfAborted()
      const left = BLOCK - ((this.#at - this.#start) % BLOCK)
      const piece = bytes.subarray(at, at + Math.min(left, CHUNK))
      await readFully(this.#handle, piece, this.#at)
      this.#checksum = crc32(piece, this.#checksum)
      this.#at += piece.length
      at += piece.length
      if (piece.length === left) this.#check()
    }
  }

  /** The checksum of the block that ends here. */
  #check(): void {
    const block = Math.ceil((this.#at - this.#start) / BLOCK) - 1
    if (this.#checksum !== this.#checksums[block]) throw new Damage(`the checksum of block ${block} is wrong`)
    this.#checksum = 0
  }
}

/** From here on only a faulty writer can be to blame. */
async function checkRows(format: RowFormat, { columns, count }: Block, slice: TimeSlice): Promise<void> {
  const { dimension } = format
  const { mean, variance, prefilter } = columns
  const row = { mean: new Float32Array(dimension), variance: new Float32Array(dimension) }
  const scales = [mean.scales, variance.scales, prefilter?.scales ?? []]
  if (scales.some((column) => column.some((scale) => !(scale >= 2 ** -126 && scale < Infinity)))) {
    throw new Damage('it has invalid scales')
  }
  if (
    mean.codes instanceof Uint16Array &&
    ![mean.scales, variance.scales].every((x) => x.every(isPowerOfTwo))
  ) {
    throw new Damage('it has scales that are no powers of two')
  }
  if (prefilter?.errors.some((error) => !(error >= 0 && error < Infinity))) {
    throw new Damage('it has invalid errors')
  }
  for (const codes of [mean.codes, prefilter?.codes]) {
    if (codes instanceof Int8Array && codes.includes(-128)) throw new Damage('it has invalid codes')
  }
  for (let i = 0; i < count; i++) {
    format.decode(columns, i, row)
    if (rowProblem(row)) throw new Damage('it has invalid rows')
    if (slice.spent(3 * dimension)) await slice.next()
  }
}

function checkZeros(bytes: Uint8Array): void {
  if (bytes.some((byte) => byte !== 0)) throw new Damage('it has bytes where zeros belong')
}

function isPowerOfTwo(scale: number): boolean {
  return 2 ** Math.round(Math.log2(scale)) === scale
}
