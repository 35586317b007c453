/**
 * Rows with ids (IndexStore of the pure backend). Readers work on the state of their call, and changes make a new one
 * (Draft); the table of ids serves them all: what it says of positions that a state does not have counts for nothing
 * there.
 */

import type { IndexStore, RankedHits, Rows, SearchPlan } from '../backend.ts'
import { invalid, UecError } from '../errors.ts'
import type { Gaussian } from '../gaussian-batch.ts'
import { ReadWriteLock } from '../read-write-lock.ts'
import type { IndexPlan } from '../storage.ts'
import { TimeSlice } from '../time-slice.ts'
import { Draft } from './draft.ts'
import type { Change, IndexFile } from './file/index-file.ts'
import { EMPTY, type Place, placeOf, type State } from './index-state.ts'
import { isPrefilterOf } from './prefilter.ts'
import { RowFormat, rowProblem } from './rows.ts'
import { search } from './search.ts'

/** What a Map holds. */
const MOST_ROWS = 2 ** 24 - 1

export class PureIndexStore implements IndexStore {
  readonly plan: IndexPlan
  readonly #format: RowFormat
  /** Positions by id, of the rows there are, of those that a change is about to add, and of some that have just gone. */
  readonly #positions = new Map<string, number>()
  /** Whoever looks up many ids reads, and waits for a change of the table. */
  readonly #table = new ReadWriteLock()
  #state: State = EMPTY
  /** Where changes are written before they are seen, and what saves replace. */
  #file: IndexFile | undefined

  constructor(plan: IndexPlan) {
    this.plan = plan
    this.#format = new RowFormat(plan)
  }

  /** Reads the file that {@link save} or the native index wrote, and the changes in its journal. */
  static async open(file: string, readonly: boolean, signal?: AbortSignal): Promise<PureIndexStore> {
    const { openIndexFile } = await import('./file/index-file.ts')
    const load = async (plan: IndexPlan, state: State) => {
      const store = new PureIndexStore(plan)
      await store.#load(state, signal)
      return { store, apply: (change: Change) => store.#replay(change, signal) }
    }
    const opened = await openIndexFile(file, readonly, load, signal)
    opened.store.#file = opened.file
    return opened.store
  }

  size(): number {
    return this.#state.size
  }

  bytes(): number {
    return this.#state.size * this.#format.rowBytes + this.#state.idBytes
  }

  async add(ids: readonly string[], given: Rows, signal?: AbortSignal): Promise<void> {
    if (ids.length === 0) return
    const slice = new TimeSlice(signal)
    await checkDistinct(ids, slice)
    // What is written to the journal must be what was checked, whoever writes to the caller's rows meanwhile.
    const rows = this.#file ? await copied(given, slice) : given
    const state = this.#state
    const draft = new Draft(this.#format, state)
    const fresh = new Map<string, number>()
    for (const [i, id] of ids.entries()) {
      const place = this.#place(state, id)
      if (place === undefined) fresh.set(id, state.next + fresh.size)
      const row = rowOf(rows, i)
      const problem = place ? draft.replace(place.block, place.row, row) : draft.append(id, row)
      if (problem) throw invalid(`row ${i} ('${id}'): ${problem}; nothing was added`)
      if (slice.spent(4 * this.plan.dimension)) await slice.next()
    }
    if (state.size + fresh.size > MOST_ROWS) {
      throw invalid(`uec/pure holds at most ${MOST_ROWS} rows: use several indexes, or the native one`)
    }
    await this.#file?.add(ids, rows)
    await this.#table.write(async () => {
      const turns = new TimeSlice() // it is all from here on, not nothing
      for (const [id, position] of fresh) {
        this.#positions.set(id, position)
        if (turns.spent(128)) await turns.next()
      }
      this.#state = draft.state()
    })
  }

  async remove(ids: readonly string[], signal?: AbortSignal): Promise<number> {
    const slice = new TimeSlice(signal)
    const state = this.#state
    const gone = new Map<number, Uint8Array>()
    const found = new Set<string>()
    for (const id of ids) {
      const place = this.#place(state, id)
      if (place) {
        found.add(id)
        const marks = gone.get(place.block) ?? new Uint8Array(state.blocks[place.block]!.count)
        marks[place.row] = 1
        gone.set(place.block, marks)
      }
      if (slice.spent(128)) await slice.next()
    }
    if (found.size === 0) return 0
    const draft = new Draft(this.#format, state)
    for (const _ of draft.remove(gone)) {
      if (slice.spent(this.#format.height * this.plan.dimension)) await slice.next()
    }
    await this.#file?.remove([...found])
    this.#state = draft.state()
    await this.#table.write(async () => {
      const turns = new TimeSlice()
      for (const id of found) {
        this.#positions.delete(id)
        if (turns.spent(128)) await turns.next()
      }
    })
    return found.size
  }

  get(id: string): Gaussian | undefined {
    const place = this.#place(this.#state, id)
    if (place === undefined) return undefined
    const { dimension } = this.plan
    const row = { mean: new Float32Array(dimension), variance: new Float32Array(dimension) }
    this.#format.decode(this.#state.blocks[place.block]!.columns, place.row, row)
    return row
  }

  has(id: string): boolean {
    return this.#place(this.#state, id) !== undefined
  }

  *ids(): Generator<readonly string[]> {
    for (const { columns, count } of this.#state.blocks) yield columns.ids.slice(0, count)
  }

  async search(queries: Rows, plan: SearchPlan, signal?: AbortSignal): Promise<RankedHits> {
    if (plan.filter === undefined) return search(this.#format, this.#state, queries, plan, undefined, signal)
    const { filter } = plan
    const { state, chosen } = await this.#table.read(async () => {
      const state = this.#state
      return { state, chosen: await this.#choose(state, filter, new TimeSlice(signal)) }
    })
    return search(this.#format, state, queries, plan, chosen, signal)
  }

  async save(file: string, signal?: AbortSignal): Promise<void> {
    const { saveIndexFile } = await import('./file/index-file.ts')
    await saveIndexFile(file, this.plan, this.#state, this.#file, signal)
  }

  async verify(signal?: AbortSignal): Promise<void> {
    const slice = new TimeSlice(signal)
    const { dimension } = this.plan
    const row = { mean: new Float32Array(dimension), variance: new Float32Array(dimension) }
    for (const { columns, count } of this.#state.blocks) {
      for (let i = 0; i < count; i++) {
        this.#format.decode(columns, i, row)
        const sound = columns.prefilter === undefined || isPrefilterOf(columns.prefilter, i, row.mean)
        const problem = rowProblem(row) ?? (sound ? undefined : 'its int8 copy is another one')
        if (problem) throw new UecError('ERR_FILE_CORRUPT', `the row of '${columns.ids[i]}': ${problem}`)
        if (slice.spent(4 * dimension)) await slice.next()
      }
    }
  }

  dispose(): void {
    this.#file?.close()
    this.#state = EMPTY
    this.#positions.clear()
  }

  #place(state: State, id: string): Place | undefined {
    const position = this.#positions.get(id)
    return position === undefined ? undefined : placeOf(state, position)
  }

  /** Takes over the rows of a file. */
  async #load(state: State, signal: AbortSignal | undefined): Promise<void> {
    const slice = new TimeSlice(signal)
    for (const { columns, count } of state.blocks) {
      for (let row = 0; row < count; row++) {
        if (this.#positions.has(columns.ids[row]!)) throw invalid('an id occurs twice')
        this.#positions.set(columns.ids[row]!, columns.positions[row]!)
        if (slice.spent(256)) await slice.next()
      }
    }
    this.#state = state
  }

  async #replay(change: Change, signal: AbortSignal | undefined): Promise<void> {
    if (change.kind === 'remove') await this.remove(change.ids, signal)
    else await this.add(change.ids, change.rows, signal)
  }

  /** 1 at the rows of the filter's ids, counted through all blocks. */
  async #choose(state: State, filter: readonly string[], slice: TimeSlice): Promise<Uint8Array> {
    const starts: number[] = []
    let start = 0
    for (const { count } of state.blocks) {
      starts.push(start)
      start += count
    }
    const chosen = new Uint8Array(state.size)
    for (const id of filter) {
      const place = this.#place(state, id)
      if (place) chosen[starts[place.block]! + place.row] = 1
      if (slice.spent(128)) await slice.next()
    }
    return chosen
  }
}

async function checkDistinct(ids: readonly string[], slice: TimeSlice): Promise<void> {
  const seen = new Set<string>()
  for (const id of ids) {
    if (seen.has(id)) throw invalid(`the id '${id}' stands twice in one add; nothing was added`)
    seen.add(id)
    if (slice.spent(128)) await slice.next()
  }
}

/** Numbers copied between two looks at the clock. */
const COPIED = 1 << 17

async function copied({ mean, variance, dimension }: Rows, slice: TimeSlice): Promise<Rows> {
  const copy = { mean: memory(mean.length), variance: memory(mean.length), dimension }
  for (let start = 0; start < mean.length; start += COPIED) {
    copy.mean.set(mean.subarray(start, start + COPIED), start)
    copy.variance.set(variance.subarray(start, start + COPIED), start)
    if (slice.spent(COPIED)) await slice.next()
  }
  return copy
}

function memory(numbers: number): Float32Array {
  try {
    return new Float32Array(numbers)
  } catch (cause) {
    throw new UecError('ERR_OUT_OF_MEMORY', `no memory for ${numbers} float32 numbers`, { cause })
  }
}

/** Views of one row. */
function rowOf({ mean, variance, dimension }: Rows, row: number): Gaussian {
  const start = row * dimension
  return {
    mean: mean.subarray(start, start + dimension),
    variance: variance.subarray(start, start + dimension),
  }
}
