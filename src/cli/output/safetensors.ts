/**
 * Matrices as a safetensors file: u64 little-endian length of the header, the header as JSON padded with spaces, the data
 * of one tensor after the other (https://github.com/huggingface/safetensors, "Format"). No package of the npm registry
 * writes it.
 *
 * Rows come in batches and their number is known only at the end. So the header gets a fixed space, the first tensor is
 * written behind it at once, the others wait in files of their own: memory does not grow with the number of rows.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { AtomicFile } from './atomic.ts'

export type Values = Float32Array | Uint8Array | Uint32Array

interface Column {
  readonly dtype: 'F32' | 'U8' | 'U32'
  /** Shape of one row; [] for one number a row. */
  readonly shape: readonly number[]
  readonly bytesPerRow: number
  bytes: number
  /** Where the data waits; undefined for the first column. */
  readonly spill: { handle: FileHandle; path: string } | undefined
}

const HEADER_BYTES = 4096
const COPY_BYTES = 1 << 20

export class SafetensorsWriter {
  readonly #file: AtomicFile
  readonly #path: string
  readonly #columns = new Map<string, Column>()
  #rows = 0

  private constructor(file: AtomicFile, path: string) {
    this.#file = file
    this.#path = path
  }

  static async create(path: string): Promise<SafetensorsWriter> {
    return new SafetensorsWriter(await AtomicFile.create(path), path)
  }

  /** Adds `rows` rows to every tensor. Tensors, their types and row shapes are those of the first call. */
  async append(
    rows: number,
    tensors: Readonly<Record<string, { values: Values; shape: readonly number[] }>>,
  ): Promise<void> {
    for (const [name, { values, shape }] of Object.entries(tensors)) {
      const column = this.#columns.get(name) ?? (await this.#addColumn(name, values, shape))
      if (values.byteLength !== rows * column.bytesPerRow)
        throw new RangeError(
          `${name}: ${values.byteLength} bytes for ${rows} rows of ${column.bytesPerRow} bytes`,
        )
      const offset = column.spill ? column.bytes : 8 + HEADER_BYTES + column.bytes
      await writeAt(column.spill?.handle ?? this.#file.handle, bytesOf(values), offset)
      column.bytes += values.byteLength
    }
    this.#rows += rows
  }

  /** Writes the header and puts the file in its place. */
  async finish(metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    let end = 0
    const header: Record<string, unknown> = { __metadata__: metadata }
    for (const [name, column] of this.#columns) {
      header[name] = {
        dtype: column.dtype,
        shape: [this.#rows, ...column.shape],
        data_offsets: [end, end + column.bytes],
      }
      if (column.spill) await copy(column.spill.handle, this.#file.handle, 8 + HEADER_BYTES + end)
      end += column.bytes
    }
    const json = Buffer.from(JSON.stringify(header))
    if (json.length > HEADER_BYTES)
      throw new RangeError(`header of ${json.length} bytes; ${HEADER_BYTES} are kept for it`)
    const head = Buffer.alloc(8 + HEADER_BYTES, ' ')
    head.writeBigUInt64LE(BigInt(HEADER_BYTES))
    json.copy(head, 8)
    await writeAt(this.#file.handle, head, 0)
    await this.#file.commit()
  }

  /** Removes what waits, and the file where it is not finished. Always to be called. */
  async dispose(): Promise<void> {
    for (const { spill } of this.#columns.values()) {
      if (!spill) continue
      await spill.handle.close()
      await rm(spill.path, { force: true })
    }
    this.#columns.clear()
    await this.#file.discard()
  }

  async #addColumn(name: string, values: Values, shape: readonly number[]): Promise<Column> {
    const dtype = values instanceof Float32Array ? 'F32' : values instanceof Uint32Array ? 'U32' : 'U8'
    const bytesPerRow = shape.reduce((a, b) => a * b, 1) * values.BYTES_PER_ELEMENT
    const path = `${this.#path}.${randomBytes(6).toString('hex')}.tmp`
    const spill = this.#columns.size === 0 ? undefined : { path, handle: await open(path, 'wx+') }
    const column: Column = { dtype, shape, bytesPerRow, bytes: 0, spill }
    this.#columns.set(name, column)
    return column
  }
}

/** A file of one batch: `tensors` name to values and the shape of a row. */
export async function writeSafetensors(
  path: string,
  rows: number,
  tensors: Readonly<Record<string, { values: Values; shape: readonly number[] }>>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const writer = await SafetensorsWriter.create(path)
  try {
    await writer.append(rows, tensors)
    await writer.finish(metadata)
  } finally {
    await writer.dispose()
  }
}

/** The float32 tensors of a file that `writeSafetensors` wrote; undefined where it is missing or not whole. */
export async function readFloats(
  path: string,
): Promise<Record<string, { values: Float32Array; shape: number[] }> | undefined> {
  try {
    const file = await readFile(path)
    const start = 8 + Number(file.readBigUInt64LE())
    const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >
    const tensors: Record<string, { values: Float32Array; shape: number[] }> = {}
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
      if (dtype !== 'F32') continue
      const bytes = file.subarray(start + offsets[0], start + offsets[1])
      if (bytes.length !== 4 * shape.reduce((a, b) => a * b, 1)) return undefined
      // Copied, because a float array needs its start at a multiple of four.
      tensors[name] = { shape, values: new Float32Array(new Uint8Array(bytes).buffer) }
    }
    return tensors
  } catch {
    return undefined
  }
}

function bytesOf(values: Values): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0
  while (written < bytes.length)
    written += (await handle.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
}

async function copy(from: FileHandle, to: FileHandle, offset: number): Promise<void> {
  const buffer = Buffer.alloc(COPY_BYTES)
  let position = 0
  for (;;) {
    const { bytesRead } = await from.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) return
    await writeAt(to, buffer.subarray(0, bytesRead), offset + position)
    position += bytesRead
  }
}
