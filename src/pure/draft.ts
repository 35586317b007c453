/**
 * The next state of an index in the making. It writes to memory that the state it starts from does not show: copies of
 * blocks, and the free rows at the end of the last one. A draft that is dropped has changed nothing; of the drafts that
 * start from one state, only the last may be used.
 */

import { UecError } from '../errors.ts'
import type { Gaussian } from '../gaussian-batch.ts'
import { utf8Length } from '../id-bytes.ts'
import type { State } from './index-state.ts'
import type { Block, Columns, RowFormat } from './rows.ts'

/** Room in the first block of an index. */
const LEAST_ROWS = 16

export class Draft {
  readonly #format: RowFormat
  readonly #blocks: Block[]
  /** Columns that no state shows. */
  readonly #own = new WeakSet<Columns>()
  #size: number
  #idBytes: number
  #next: number

  constructor(format: RowFormat, { blocks, size, idBytes, next }: State) {
    this.#format = format
    this.#blocks = [...blocks]
    this.#size = size
    this.#idBytes = idBytes
    this.#next = next
  }

  /** Adds a row at the end. Returns why it cannot be kept, if it cannot; the draft is then of no more use. */
  append(id: string, row: Gaussian): string | undefined {
    const last = this.#roomy()
    const { columns, count } = last
    const problem = this.#format.encode(columns, count, row)
    columns.ids[count] = id
    columns.positions[count] = this.#next++
    this.#blocks[this.#blocks.length - 1] = { columns, count: count + 1 }
    this.#size++
    this.#idBytes += utf8Length(id)
    return problem
  }

  /** Replaces a row, as {@link append}. */
  replace(block: number, row: number, by: Gaussian): string | undefined {
    return this.#format.encode(this.#owned(block).columns, row, by)
  }

  /** Leaves the rows out that `gone` marks, by block of the state that the draft started from. Nothing else before. */
  *remove(gone: ReadonlyMap<number, Uint8Array>): Generator<void> {
    const before = this.#blocks.splice(0)
    for (const [b, block] of before.entries()) {
      const marks = gone.get(b)
      if (marks) this.#keep(block, marks)
      else this.#blocks.push(block)
      if (marks) yield
    }
  }

  state(): State {
    return { blocks: this.#blocks, size: this.#size, idBytes: this.#idBytes, next: this.#next }
  }

  /** The rows of `block` that are not marked, in a block of their own, or with the block before where both are small. */
  #keep({ columns, count }: Block, marks: Uint8Array): void {
    let kept = 0
    for (let row = 0; row < count; row++) {
      if (marks[row] === 0) kept++
      else this.#idBytes -= utf8Length(columns.ids[row]!)
    }
    this.#size -= count - kept
    if (kept === 0) return
    const before = this.#blocks.at(-1)
    const joins = before !== undefined && before.count + kept <= this.#format.height / 2
    const start = joins ? before.count : 0
    const merged = this.#allocate(start + kept)
    if (joins) {
      this.#format.copy(before.columns, 0, start, merged, 0)
      this.#blocks.pop()
    }
    let to = start
    for (let row = 0; row < count; ) {
      const end = runEnd(marks, row, count)
      if (marks[row] === 0) {
        this.#format.copy(columns, row, end, merged, to)
        to += end - row
      }
      row = end
    }
    this.#blocks.push({ columns: merged, count: to })
  }

  /** The last block, with room for one row more. */
  #roomy(): Block {
    const { height } = this.#format
    const last = this.#blocks.at(-1)
    if (last && last.count < last.columns.capacity) return last
    if (last && last.count < height) {
      const grown = this.#copy(last, Math.min(2 * last.count + LEAST_ROWS, height))
      this.#blocks[this.#blocks.length - 1] = grown
      return grown
    }
    const first = { columns: this.#allocate(last ? height : Math.min(LEAST_ROWS, height)), count: 0 }
    this.#blocks.push(first)
    return first
  }

  /** A block whose shown rows may be written to. */
  #owned(block: number): Block {
    const found = this.#blocks[block]!
    if (this.#own.has(found.columns)) return found
    const copy = this.#copy(found, found.columns.capacity)
    this.#blocks[block] = copy
    return copy
  }

  #copy(block: Block, capacity: number): Block {
    const columns = this.#allocate(capacity)
    this.#format.copy(block.columns, 0, block.count, columns, 0)
    return { columns, count: block.count }
  }

  #allocate(capacity: number): Columns {
    try {
      const columns = this.#format.allocate(capacity)
      this.#own.add(columns)
      return columns
    } catch (cause) {
      const rows = `${capacity} more rows of dimension ${this.#format.dimension}`
      throw new UecError('ERR_OUT_OF_MEMORY', `no memory for ${rows}`, { cause })
    }
  }
}

/** The first row from `start` on that is marked otherwise. */
function runEnd(marks: Uint8Array, start: number, count: number): number {
  let end = start + 1
  while (end < count && marks[end] === marks[start]) end++
  return end
}
