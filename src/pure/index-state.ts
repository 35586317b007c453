/** What an index holds at one moment. Changes make a new state, so that readers keep the one they began with. */

import type { Block } from './rows.ts'

export interface State {
  /** None is empty; positions rise through all of them. */
  readonly blocks: readonly Block[]
  /** Rows. */
  readonly size: number
  /** Bytes of the ids in UTF-8. */
  readonly idBytes: number
  /** The position of the next row that is added; positions are never used again. */
  readonly next: number
}

export const EMPTY: State = { blocks: [], size: 0, idBytes: 0, next: 0 }

/** Where a row stands: blocks[block], row `row` of it. */
export interface Place {
  block: number
  row: number
}

/** Where the row of a position stands, if it is there. */
export function placeOf({ blocks, next }: State, position: number): Place | undefined {
  if (position >= next) return undefined
  const block = lastAtMost(blocks.length, (i) => blocks[i]!.columns.positions[0]!, position)
  if (block < 0) return undefined
  const { columns, count } = blocks[block]!
  const row = lastAtMost(count, (i) => columns.positions[i]!, position)
  return columns.positions[row] === position ? { block, row } : undefined
}

/** The last of `count` rising values that is at most `limit`; −1 if there is none. */
export function lastAtMost(count: number, value: (i: number) => number, limit: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (value(middle) <= limit) low = middle + 1
    else high = middle
  }
  return low - 1
}
