/** Lines of a file or of standard input, streamed. */
import { createReadStream } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { codeOf, InputError } from '../exit.ts'

export interface Line {
  text: string
  /** Counted from 1. */
  number: number
}

const NEWLINE = 10
const RETURN = 13

/** What a source is called in messages. */
export function sourceName(source: string): string {
  return source === '-' ? '<stdin>' : source
}

/**
 * Lines end with \n or \r\n and with nothing else (U+2028 is text), so their numbers are those of every other tool. A byte
 * order mark at the start is dropped. A line that is not UTF-8 is an InputError.
 */
export async function* lines(source: string, signal: AbortSignal): AsyncGenerator<Line> {
  signal.throwIfAborted()
  const stream: Readable = source === '-' ? process.stdin : createReadStream(source)
  addAbortSignal(signal, stream)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let number = 0
  let pending: Uint8Array[] = []
  const line = (last: Uint8Array): Line => {
    const joined = pending.length === 0 ? last : Buffer.concat([...pending, last])
    pending = []
    number += 1
    const end = joined.at(-1) === RETURN ? joined.length - 1 : joined.length
    try {
      const text = decoder.decode(joined.subarray(0, end))
      return { text: number === 1 ? text.replace(/^\uFEFF/, '') : text, number }
    } catch {
      throw new InputError(
        `${sourceName(source)}:${number}: not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8`,
      )
    }
  }
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        yield line(chunk.subarray(start, end))
        start = end + 1
      }
      if (start < chunk.length) pending.push(chunk.subarray(start))
    }
    if (pending.length > 0) yield line(new Uint8Array())
  } catch (error) {
    signal.throwIfAborted()
    const code = codeOf(error)
    if (code === 'ENOENT') throw new InputError(`${source}: no such file`)
    if (code === 'EISDIR') throw new InputError(`${source}: a directory, not a file of texts`)
    throw error
  }
}
