/** Bytes of files: whole reads and writes at a place, and numbers in little-endian order. */

import { type FileHandle, open } from 'node:fs/promises'
import { codeOf, Damage } from './damage.ts'

/** Bytes read or written between two turns of the event loop. */
export const CHUNK = 1 << 20

type Numbers = Float32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array

/** Opens a file, if it is there. */
export async function openIfThere(path: string, flags = 'r'): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Fills `bytes` from `position` on. Throws {@link Damage} where the file ends before. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(CHUNK, bytes.length - at)
    const { bytesRead } = await handle.read(bytes, at, length, position + at)
    if (bytesRead === 0) throw new Damage('it is cut off')
    at += bytesRead
  }
}

export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(CHUNK, bytes.length - at)
    at += (await handle.write(bytes, at, length, position + at)).bytesWritten
  }
}

const BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0

/** The memory of numbers. */
export function bytesOf(numbers: Numbers): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

/** Numbers as they stand in a file: a view of them, or a copy where this machine orders bytes otherwise. */
export function littleEndian(numbers: Numbers): Uint8Array {
  if (!BIG_ENDIAN) return bytesOf(numbers)
  const copy = numbers.slice()
  reorder(copy)
  return bytesOf(copy)
}

/** Turns numbers whose memory was read from a file into those of this machine. */
export function reorder(numbers: Numbers): void {
  if (!BIG_ENDIAN || numbers.BYTES_PER_ELEMENT === 1) return
  const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  if (numbers.BYTES_PER_ELEMENT === 2) bytes.swap16()
  else bytes.swap32()
}

export function align(x: number, to: number): number {
  return Math.ceil(x / to) * to
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
