/** The rows of a state as float32 numbers, decoded where they are kept otherwise: a few at a time, into memory of the reader. */

import type { Rows } from '../backend.ts'
import { lastAtMost, type State } from './index-state.ts'
import type { Block, RowFormat } from './rows.ts'

/** Numbers of a moment that are decoded at a time. */
const TILE_NUMBERS = 1 << 14

/** Rows that follow each other; valid until the reader is asked again. */
export interface Tile {
  rows: Rows
  /** Of the first row, counted through all blocks. */
  start: number
  /** Number of rows. */
  height: number
}

/** For one reader alone. */
export class RowReader {
  readonly #format: RowFormat
  readonly #blocks: readonly Block[]
  /** Rows before each block. */
  readonly #starts: number[] = []
  readonly #height: number
  readonly #decoded: Rows

  constructor(format: RowFormat, { blocks }: State) {
    const { dimension } = format
    this.#format = format
    this.#blocks = blocks
    let start = 0
    for (const { count } of blocks) {
      this.#starts.push(start)
      start += count
    }
    this.#height = Math.max(1, Math.floor(TILE_NUMBERS / dimension))
    const numbers = format.mean.lossy && blocks.length > 0 ? this.#height * dimension : 0
    this.#decoded = { mean: new Float32Array(numbers), variance: new Float32Array(numbers), dimension }
  }

  /** All rows in their order. */
  *tiles(): Generator<Tile> {
    for (const [b, block] of this.#blocks.entries()) {
      const height = this.#format.mean.lossy ? this.#height : block.count
      for (let row = 0; row < block.count; row += height) {
        const end = Math.min(row + height, block.count)
        yield { rows: this.#read(block, row, end), start: this.#starts[b]! + row, height: end - row }
      }
    }
  }

  /** One row, counted through all blocks: row `row` of `rows`. */
  row(at: number): { id: string; rows: Rows; row: number } {
    const b = lastAtMost(this.#blocks.length, (i) => this.#starts[i]!, at)
    const block = this.#blocks[b]!
    const row = at - this.#starts[b]!
    const id = block.columns.ids[row]!
    if (!this.#format.mean.lossy) return { id, rows: this.#read(block, 0, block.count), row }
    return { id, rows: this.#read(block, row, row + 1), row: 0 }
  }

  #read({ columns }: Block, start: number, end: number): Rows {
    const { dimension } = this.#format
    if (columns.mean.codes instanceof Float32Array && columns.variance.codes instanceof Float32Array) {
      const [from, to] = [start * dimension, end * dimension]
      return {
        mean: columns.mean.codes.subarray(from, to),
        variance: columns.variance.codes.subarray(from, to),
        dimension,
      }
    }
    for (let row = start; row < end; row++) {
      const from = (row - start) * dimension
      this.#format.decode(columns, row, {
        mean: this.#decoded.mean.subarray(from, from + dimension),
        variance: this.#decoded.variance.subarray(from, from + dimension),
      })
    }
    return this.#decoded
  }
}
