/**
 * Index files as the native index writes them (docs/index-format.md). Reading trusts nothing: every size is compared
 * with the file's length before memory is asked for, then the SHA-256 and every number are checked. Writing goes to a
 * temporary file that is synced and renamed. Node's modules are loaded here only, so that browsers can do the rest.
 */

import type { FileHandle } from 'node:fs/promises'
import { UecError } from '../errors.ts'
import { TimeSlice } from '../time-slice.ts'
import {
  Damage,
  DIGEST,
  decodeHeader,
  encodeHeader,
  HEADER,
  type Header,
  layout,
  type Section,
} from './index-header.ts'
import { RowBlocks, rowProblem } from './row-blocks.ts'

/** Bytes read or written between two turns of the event loop. */
const CHUNK = 1 << 20

export interface IndexContent {
  fingerprint: string | undefined
  /** When read: not yet checked for one that occurs twice. */
  ids: readonly string[]
  /** `ids.length` rows. */
  rows: RowBlocks
}

/** Reads a whole file. ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION, ERR_OUT_OF_MEMORY. */
export async function readIndexFile(file: string, signal?: AbortSignal): Promise<IndexContent> {
  try {
    const { open } = await import('node:fs/promises')
    const handle = await open(file)
    try {
      return await read(handle, signal)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw signal?.aborted ? signal.reason : readError(file, error)
  }
}

async function read(handle: FileHandle, signal: AbortSignal | undefined): Promise<IndexContent> {
  const { createHash } = await import('node:crypto')
  const { size } = await handle.stat()
  if (size < HEADER) throw new Damage('it is cut off')
  const digest = createHash('sha256')
  let end = 0
  const fill = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; ) {
      signal?.throwIfAborted()
      const { bytesRead } = await handle.read(bytes, at, Math.min(CHUNK, bytes.length - at), end)
      if (bytesRead === 0) throw new Damage('it is cut off')
      at += bytesRead
      end += bytesRead
    }
    return bytes
  }
  const next = async (bytes: Uint8Array) => digest.update(await fill(bytes))
  const skipTo = (section: Section) => next(new Uint8Array(section.offset - end))

  const head = await fill(new Uint8Array(HEADER))
  const header = decodeHeader(head, size)
  const stored = head.slice(DIGEST.offset, DIGEST.offset + DIGEST.length)
  digest.update(head.fill(0, DIGEST.offset, DIGEST.offset + DIGEST.length))
  const fingerprint = new Uint8Array(header.fingerprint.length)
  const ids = new Uint8Array(header.ids.length)
  const rows = new RowBlocks(header.dimension)
  rows.reserve(header.count)
  await skipTo(header.fingerprint)
  await next(fingerprint)
  await skipTo(header.ids)
  await next(ids)
  for (const part of ['means', 'variances'] as const) {
    await skipTo(header[part])
    for (const numbers of rows.parts(part, header.count)) {
      await next(asBytes(numbers))
      if (BIG_ENDIAN) Buffer.from(asBytes(numbers)).swap32().copy(asBytes(numbers))
    }
  }
  if (Buffer.compare(digest.digest(), stored) !== 0) throw new Damage('its checksum is wrong')
  // From here on only a faulty writer can be to blame.
  const slice = new TimeSlice(signal)
  for (let row = 0; row < header.count; row++) {
    if (rowProblem(rows.row(row))) throw new Damage('it has invalid rows')
    if (slice.spent(2 * header.dimension)) await slice.next()
  }
  if (!header.hasFingerprint && fingerprint.length > 0) throw new Damage('its header contradicts itself')
  return {
    fingerprint: header.hasFingerprint ? decodeText(fingerprint) : undefined,
    ids: await decodeIds(ids, header, slice),
    rows,
  }
}

/** Any failure to read a file as one of the errors above. */
export function readError(file: string, error: unknown): unknown {
  if (error instanceof UecError) return error
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof Damage && error.version !== undefined) {
    const message = `${file} has format ${error.version}, this version reads up to 1: update uec`
    return new UecError('ERR_FILE_VERSION', message)
  }
  if (error instanceof Damage) {
    return new UecError('ERR_FILE_CORRUPT', `${file} is no sound index: ${reason}. Restore or rebuild it`)
  }
  if (error instanceof RangeError) return new UecError('ERR_OUT_OF_MEMORY', `no memory to open ${file}`)
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    return new UecError('ERR_FILE_NOT_FOUND', `there is no index at ${file}`, { cause: error })
  }
  return new UecError('ERR_FILE_CORRUPT', `${file} cannot be read: ${reason}`, { cause: error })
}

/** Replaces a file all at once; whatever fails, the old file stays. ERR_FILE_WRITE. */
export async function writeIndexFile(
  file: string,
  content: IndexContent,
  signal?: AbortSignal,
): Promise<void> {
  try {
    const { open, rename, rm } = await import('node:fs/promises')
    const { dirname, join } = await import('node:path')
    const { randomUUID } = await import('node:crypto')
    const temporary = join(dirname(file), `.uec-${randomUUID()}`)
    try {
      const handle = await open(temporary, 'wx')
      try {
        await write(handle, content, signal)
        await handle.sync()
      } finally {
        await handle.close()
      }
      signal?.throwIfAborted()
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    // The new name is durable only with its folder; Windows cannot open one.
    if (process.platform === 'win32') return
    const folder = await open(dirname(file))
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const reason = cause instanceof Error ? cause.message : String(cause)
    const remedy = 'Check that its folder exists and has room'
    throw new UecError('ERR_FILE_WRITE', `${file} cannot be written: ${reason}. ${remedy}`, { cause })
  }
}

async function write(
  handle: FileHandle,
  { fingerprint, ids, rows }: IndexContent,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { createHash } = await import('node:crypto')
  const digest = createHash('sha256')
  const fingerprintBytes = new TextEncoder().encode(fingerprint ?? '')
  const idBytes = await encodeIds(ids, new TimeSlice(signal))
  const header = layout(
    rows.dimension,
    fingerprint !== undefined,
    ids.length,
    fingerprintBytes.length,
    idBytes.length,
  )
  let end = 0
  const next = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      signal?.throwIfAborted()
      const chunk = bytes.subarray(at, at + CHUNK)
      digest.update(chunk)
      await handle.writeFile(chunk)
    }
    end += bytes.length
  }
  const padTo = (section: Section) => next(new Uint8Array(section.offset - end))
  await next(encodeHeader(header))
  await padTo(header.fingerprint)
  await next(fingerprintBytes)
  await padTo(header.ids)
  await next(idBytes)
  for (const part of ['means', 'variances'] as const) {
    await padTo(header[part])
    for (const numbers of rows.parts(part, ids.length)) {
      await next(BIG_ENDIAN ? Buffer.from(asBytes(numbers)).swap32() : asBytes(numbers))
    }
  }
  await handle.write(digest.digest(), 0, DIGEST.length, DIGEST.offset)
}

const BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0

function asBytes(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

/** The lengths of all ids, then their bytes. */
async function encodeIds(ids: readonly string[], slice: TimeSlice): Promise<Uint8Array> {
  const encoder = new TextEncoder()
  const texts: Uint8Array[] = [new Uint8Array(4 * ids.length)]
  const lengths = new DataView(texts[0]!.buffer)
  for (const [i, id] of ids.entries()) {
    const text = encoder.encode(id)
    lengths.setUint32(4 * i, text.length, true)
    texts.push(text)
    if (slice.spent(512)) await slice.next()
  }
  return Buffer.concat(texts)
}

async function decodeIds(bytes: Uint8Array, { count }: Header, slice: TimeSlice): Promise<string[]> {
  const lengths = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ids: string[] = []
  let end = 4 * count
  if (end > bytes.length) throw new Damage('its ids are damaged')
  for (let i = 0; i < count; i++) {
    const start = end
    end += lengths.getUint32(4 * i, true)
    if (end > bytes.length) throw new Damage('its ids are damaged')
    ids.push(decodeText(bytes.subarray(start, end)))
    if (slice.spent(512)) await slice.next()
  }
  if (end !== bytes.length) throw new Damage('its ids are damaged')
  return ids
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Damage('it holds bytes that are no text')
  }
}
