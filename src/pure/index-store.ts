/** Rows with ids in memory (IndexStore of the pure backend). Positions are dense: removing closes the gaps. */

import type { IndexStore, RankedHits, Rows, SearchPlan } from '../backend.ts'
import { invalid, UecError } from '../errors.ts'
import type { Gaussian } from '../gaussian-batch.ts'
import { TimeSlice } from '../time-slice.ts'
import { readError, readIndexFile, writeIndexFile } from './index-file.ts'
import { Damage } from './index-header.ts'
import { RowBlocks, rowOf, rowProblem } from './row-blocks.ts'
import { search } from './search.ts'

export class PureIndexStore implements IndexStore {
  readonly dimension: number
  readonly fingerprint: string | undefined
  readonly #rows: RowBlocks
  /** Position of each id, in the order of the positions. */
  readonly #positions = new Map<string, number>()
  /** Id of each position. */
  readonly #ids: string[] = []
  #idBytes = 0

  constructor(dimension: number, fingerprint?: string, rows = new RowBlocks(dimension)) {
    this.dimension = dimension
    this.fingerprint = fingerprint
    this.#rows = rows
  }

  /** Reads a file that {@link save} or the native index wrote. */
  static async open(file: string, signal?: AbortSignal): Promise<PureIndexStore> {
    const { fingerprint, ids, rows } = await readIndexFile(file, signal)
    const store = new PureIndexStore(rows.dimension, fingerprint, rows)
    const slice = new TimeSlice(signal)
    for (const id of ids) {
      if (store.has(id)) throw readError(file, new Damage('an id occurs twice'))
      store.#append(id)
      if (slice.spent(256)) await slice.next()
    }
    return store
  }

  size(): number {
    return this.#ids.length
  }

  bytes(): number {
    return this.#ids.length * this.dimension * 2 * Float32Array.BYTES_PER_ELEMENT + this.#idBytes
  }

  async add(ids: readonly string[], rows: Rows, signal?: AbortSignal): Promise<void> {
    const fresh = await this.#check(ids, rows, new TimeSlice(signal))
    const slice = new TimeSlice() // from here on it is all, not nothing
    this.#rows.reserve(this.#ids.length + fresh)
    for (const [row, id] of ids.entries()) {
      const known = this.#positions.get(id)
      this.#rows.set(known ?? this.#ids.length, rowOf(rows, row))
      if (known === undefined) this.#append(id)
      if (slice.spent(this.dimension)) await slice.next()
    }
  }

  async remove(ids: readonly string[]): Promise<number> {
    const slice = new TimeSlice()
    const before = this.#ids.length
    const gone = new Uint8Array(before)
    for (const id of ids) {
      const position = this.#positions.get(id)
      if (position !== undefined) gone[position] = 1
      if (slice.spent(128)) await slice.next()
    }
    let to = 0
    for (let from = 0; from < before; from++) {
      const id = this.#ids[from]!
      if (gone[from] === 1) {
        this.#positions.delete(id)
        this.#idBytes -= utf8Length(id)
      } else {
        if (to !== from) this.#move(from, to, id)
        to++
      }
      if (slice.spent(this.dimension)) await slice.next()
    }
    this.#ids.length = to
    this.#rows.shrink(to)
    return before - to
  }

  get(id: string): Gaussian | undefined {
    const position = this.#positions.get(id)
    if (position === undefined) return undefined
    const { mean, variance } = this.#rows.row(position)
    return { mean: mean.slice(), variance: variance.slice() }
  }

  has(id: string): boolean {
    return this.#positions.has(id)
  }

  ids(): readonly string[] {
    return [...this.#positions.keys()]
  }

  async search(queries: Rows, plan: SearchPlan, signal?: AbortSignal): Promise<RankedHits> {
    const chosen = plan.filter && (await this.#choose(plan.filter, new TimeSlice(signal)))
    return search(this.#rows, this.#ids, queries, plan, chosen, signal)
  }

  async save(file: string, signal?: AbortSignal): Promise<void> {
    const content = { fingerprint: this.fingerprint, ids: this.#ids, rows: this.#rows }
    await writeIndexFile(file, content, signal)
  }

  async verify(signal?: AbortSignal): Promise<void> {
    const slice = new TimeSlice(signal)
    for (const [position, id] of this.#ids.entries()) {
      const problem = rowProblem(this.#rows.row(position))
      if (problem) throw new UecError('ERR_INTERNAL', `the row of '${id}' is damaged: ${problem}`)
      if (slice.spent(this.dimension)) await slice.next()
    }
  }

  dispose(): void {
    this.#positions.clear()
    this.#ids.length = 0
    this.#idBytes = 0
    this.#rows.shrink(0)
  }

  /** Checks what is to be added and returns how many of the ids are new. */
  async #check(ids: readonly string[], rows: Rows, slice: TimeSlice): Promise<number> {
    const seen = new Set<string>()
    let fresh = 0
    for (const [row, id] of ids.entries()) {
      if (seen.has(id)) throw invalid(`the id '${id}' stands twice in one add; nothing was added`)
      seen.add(id)
      if (!this.#positions.has(id)) fresh++
      const problem = rowProblem(rowOf(rows, row))
      if (problem) throw invalid(`row ${row} ('${id}'): ${problem}; nothing was added`)
      if (slice.spent(2 * this.dimension)) await slice.next()
    }
    return fresh
  }

  #append(id: string): void {
    this.#positions.set(id, this.#ids.push(id) - 1)
    this.#idBytes += utf8Length(id)
  }

  #move(from: number, to: number, id: string): void {
    this.#rows.set(to, this.#rows.row(from))
    this.#ids[to] = id
    this.#positions.set(id, to)
  }

  /** 1 at the positions of the filter's ids. */
  async #choose(filter: readonly string[], slice: TimeSlice): Promise<Uint8Array> {
    const chosen = new Uint8Array(this.#ids.length)
    for (const id of filter) {
      const position = this.#positions.get(id)
      if (position !== undefined) chosen[position] = 1
      if (slice.spent(128)) await slice.next()
    }
    return chosen
  }
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length
}
