/** Ids and other texts as they stand in files. */

import type { TimeSlice } from '../../time-slice.ts'
import { Damage } from './damage.ts'

/** Hands the ids out in their order. Throws {@link Damage}. */
export async function decodeIds(
  bytes: Uint8Array,
  lengths: Uint32Array,
  slice: TimeSlice,
  take: (id: string, index: number) => void,
): Promise<void> {
  let end = 0
  for (let i = 0; i < lengths.length; i++) {
    const start = end
    end += lengths[i]!
    if (end > bytes.length) throw new Damage('its ids are damaged')
    take(decodeText(bytes.subarray(start, end)), i)
    if (slice.spent(512)) await slice.next()
  }
  if (end !== bytes.length) throw new Damage('its ids are damaged')
}

/** UTF-8 and nothing else; a byte order mark is part of the text. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new Damage('it holds bytes that are no text')
  }
}
