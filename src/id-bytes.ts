/** Ids as UTF-8, one after the other: how files and other languages take many of them at once. */

import { UecError } from './errors.ts'
import type { TimeSlice } from './time-slice.ts'

export interface IdBytes {
  readonly bytes: Uint8Array
  /** Bytes of each id. */
  readonly lengths: Uint32Array
}

/** About the work of one id, in units of {@link TimeSlice}. */
const WORK = 256

/** Encodes ids without lone surrogates in slices that leave the event loop free. ERR_OUT_OF_MEMORY. */
export async function encodeIds(ids: readonly string[], slice: TimeSlice): Promise<IdBytes> {
  const lengths = new Uint32Array(ids.length)
  let total = 0
  for (let i = 0; i < ids.length; i++) {
    lengths[i] = utf8Length(ids[i]!)
    total += lengths[i]!
    if (slice.spent(WORK)) await slice.next()
  }
  const bytes = allocate(total)
  const encoder = new TextEncoder()
  let end = 0
  for (let i = 0; i < ids.length; i++) {
    encoder.encodeInto(ids[i]!, bytes.subarray(end, end + lengths[i]!))
    end += lengths[i]!
    if (slice.spent(WORK)) await slice.next()
  }
  return { bytes, lengths }
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // A pair of surrogates is 4 bytes: 2 for each.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3
  }
  return bytes
}

function allocate(length: number): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw new UecError('ERR_OUT_OF_MEMORY', `no memory for ${length} bytes of ids`, { cause })
  }
}
