/** Exact search over Gaussians by id, over a backend. The entries bind it to theirs in a thin subclass. */

import type { Backend, IndexStore, RankedHits, SearchPlan } from './backend.ts'
import { invalid, UecError } from './errors.ts'
import { checkBatch, checkFingerprint, type Gaussian, type GaussianBatch } from './gaussian-batch.ts'
import { Hits, hitsToFind } from './hits.ts'
import { filterIds, IdFilter, type IndexFilter } from './index-filter.ts'
import { boolean, checkOptions, describe, finite, integer, oneOf, text } from './options.ts'
import { RunningCalls } from './running-calls.ts'
import { planScore, type ScoreOptions } from './scores.ts'
import { begin, type CallOptions, checkSignal, signalOf, untilAborted } from './signal.ts'
import { type IndexPlan, PREFILTERS, type Prefilter, STORAGES, type Storage } from './storage.ts'
import { TimeSlice } from './time-slice.ts'

export interface IndexOptions {
  /** D. */
  dimension: number
  /** Default 'float32'. The others are lossy: the index is then one of the rows as they are kept, exactly. */
  storage?: Storage
  /**
   * Default 'none'. 'int8', with storage 'float32' alone, keeps an int8 copy of the means (D + 8 bytes a row), which
   * the native index looks through first. Results are the same.
   */
  prefilter?: Prefilter
  /** Of the ensemble that makes the rows; batches of another one are then refused. */
  fingerprint?: string
}

export interface OpenOptions {
  /**
   * Default false: the file is read and checked as a whole. true maps it into memory: opening checks the ids alone, and
   * rows are read, and checked, when they are first needed. `uec/pure` reads the whole file either way.
   */
  mmap?: boolean
  /** Default false. true takes no lock and refuses add and remove; any number of readers may have a file open. */
  readonly?: boolean
  /** Of the opening alone. */
  signal?: AbortSignal
}

export interface SearchOptions extends ScoreOptions {
  /** Hits per query, an integer ≥ 1, default 10. More than there are rows gives all rows. */
  k?: number
  /** Only hits with score ≥ minScore. */
  minScore?: number
  /** Only these ids. Unknown ids are ignored; an empty filter gives no hits. */
  filter?: readonly string[] | ReadonlySet<string> | IndexFilter
}

/** @internal A store read from a file, on its way into an index. */
export class OpenedIndex implements IndexOptions {
  readonly dimension: number
  readonly store: IndexStore
  readonly readonly: boolean

  constructor(store: IndexStore, readonly: boolean) {
    this.dimension = store.plan.dimension
    this.store = store
    this.readonly = readonly
  }
}

/** @internal Opens a file for the constructor of an index. */
export async function openIndex(
  backend: Backend,
  file: string,
  options: OpenOptions = {},
): Promise<OpenedIndex> {
  checkOptions('GaussianIndex.open', options, ['mmap', 'readonly', 'signal'])
  const { mmap = false, readonly = false } = options
  boolean('mmap', mmap)
  boolean('readonly', readonly)
  text('file', file)
  const signal = checkSignal(options.signal)
  // Not let go by an abort before the file is: whoever opens it next must not find it locked.
  const store = await begin(signal, () => backend.openIndex(file, { mmap, readonly }, signal))
  if (!signal?.aborted) return new OpenedIndex(store, readonly)
  store.dispose()
  throw signal.reason
}

/**
 * Gaussians with ids. Rows keep the position in which they were first added.
 *
 * `add`, `remove` and `save` take effect in the order in which they are called, awaited or not. Every other call sees
 * every change that had resolved before it was called, and of a change that is under way all or nothing; it works on
 * that state to its end and waits for no change. To search what was just added, await the add.
 *
 * A new index lives in memory until it is saved. In an index that was opened from a file, `add` and `remove` resolve
 * once the change is on the disk, in the file's journal: it then outlives a crash at any moment. `save` to the same
 * file puts everything into one new file and empties the journal. A file is open for writing in one index at a time
 * (ERR_FILE_LOCKED), until that is disposed.
 *
 * A change or save that is aborted while it waits for those before it does nothing. One that is aborted while it works
 * rejects at once, but those after it still wait until that work has really ended.
 *
 * After dispose every call is ERR_DISPOSED.
 */
export abstract class AbstractGaussianIndex implements Disposable {
  /** D. */
  readonly dimension: number
  /** Of the ensemble that made the rows, if known. A mismatch on add or search is ERR_POSTERIOR_MISMATCH. */
  readonly fingerprint: string | undefined
  /** How rows are kept. */
  readonly storage: Storage
  /** Whether there is an int8 copy of the means. */
  readonly prefilter: Prefilter
  /** Whether it was opened for reading alone: add and remove are ERR_INVALID_ARGUMENT. */
  readonly readonly: boolean
  readonly #running = new RunningCalls()
  #lastChange: Promise<unknown> = Promise.resolve()
  #store: IndexStore | undefined

  constructor(backend: Backend, options: IndexOptions) {
    const opened = options instanceof OpenedIndex ? options : new OpenedIndex(create(backend, options), false)
    const { dimension, fingerprint, storage, prefilter } = opened.store.plan
    this.dimension = dimension
    this.fingerprint = fingerprint
    this.storage = storage
    this.prefilter = prefilter
    this.readonly = opened.readonly
    this.#store = opened.store
  }

  /** Number of rows, without those of an add that is under way. */
  get size(): number {
    return this.#open().size()
  }

  /** Bytes of the rows, with an int8 copy if there is one, and of the ids. */
  get bytes(): number {
    return this.#open().bytes()
  }

  /**
   * Adds rows, or replaces the rows of known ids in place. All or nothing, also if it is aborted while it works: the
   * index then gets every row or none, and `batch` may be read for a moment longer.
   * Rejects with ERR_INVALID_ARGUMENT (the same id twice, a row whose mean is all zero as it is kept, not one id per
   * row, an index that is readonly), ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH, in an opened index ERR_FILE_WRITE
   * (the change did not get to the disk, and nothing has changed), or the signal's reason.
   */
  async add(ids: readonly string[], batch: GaussianBatch, options?: CallOptions): Promise<void> {
    const store = this.#writable()
    const signal = signalOf('add', options)
    checkBatch('batch', batch, this.dimension)
    checkFingerprint('batch', batch, this.fingerprint)
    const own = copyIds(ids)
    if (own.length !== batch.length) {
      throw invalid(`add takes one id per row: ${own.length} ids, but ${batch.length} rows`)
    }
    await this.#inTurn(signal, async () => {
      await checkIds(own, signal)
      await store.add(own, batch, signal)
    })
  }

  /**
   * Removes rows; unknown ids are ignored. Resolves with the number of rows removed. Aborted while it works, it removes
   * all of them or none. Rejects with ERR_INVALID_ARGUMENT, in an opened index ERR_FILE_WRITE, or the signal's reason.
   */
  async remove(ids: readonly string[], options?: CallOptions): Promise<number> {
    const store = this.#writable()
    const signal = signalOf('remove', options)
    const own = copyIds(ids)
    return this.#inTurn(signal, async () => {
      await checkIds(own, signal)
      return store.remove(own, signal)
    })
  }

  /** A copy of the row of this id, as it is kept: of lossy storage the decoded numbers. Mapped, as `search`. */
  get(id: string): Gaussian | undefined {
    return this.#open().get(checkId('id', id))
  }

  has(id: string): boolean {
    return this.#open().has(checkId('id', id))
  }

  /** All ids, by position. */
  ids(): readonly string[] {
    const all: string[] = []
    for (const portion of this.#open().ids()) for (const id of portion) all.push(id)
    return all
  }

  /** The ids for which the predicate holds, for use in searches. Asks in slices that leave the event loop free. */
  async filter(predicate: (id: string) => boolean, options?: CallOptions): Promise<IndexFilter> {
    if (typeof predicate !== 'function') {
      throw invalid(`filter takes a function of the id, not ${describe(predicate)}`)
    }
    const signal = signalOf('filter', options)
    const store = this.#open()
    return this.#running.track(async () => {
      const chosen: string[] = []
      const slice = new TimeSlice()
      for (const ids of store.ids()) {
        for (const id of ids) {
          signal?.throwIfAborted()
          if (predicate(id)) chosen.push(id)
          if (slice.spent(128)) await slice.next()
        }
      }
      return new IdFilter(chosen)
    }, signal)
  }

  /** Reads and checks every row. Rejects with ERR_FILE_CORRUPT or the signal's reason. */
  async verify(options?: CallOptions): Promise<void> {
    const signal = signalOf('verify', options)
    const store = this.#open()
    await this.#running.track(() => store.verify(signal), signal)
  }

  /**
   * The exact top k by the chosen score. Ties: lower position first.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH or the signal's reason; in an
   * index that is mapped into memory with ERR_FILE_CORRUPT, where it is the first to touch a damaged block.
   */
  async search(queries: GaussianBatch, options: SearchOptions = {}): Promise<Hits> {
    const store = this.#open()
    const { signal, ...score } = planScore('search', options, ['k', 'minScore', 'filter'])
    const { k = 10, minScore, filter } = options
    const wanted = integer('k', k, 1)
    const plan: Omit<SearchPlan, 'k'> = {
      ...score,
      ...(minScore !== undefined && { minScore: finite('minScore', minScore) }),
      ...(filter !== undefined && { filter: filterIds(filter) }),
    }
    checkBatch('queries', queries, this.dimension)
    checkFingerprint('queries', queries, this.fingerprint)
    return this.#running.track(async () => {
      const size = store.size()
      const ranked = await store.search(queries, { ...plan, k: hitsToFind(wanted) }, signal)
      const { length } = queries
      return new Hits({
        ...ranked,
        queries: length,
        wanted,
        size: sizeSearched(ranked, length, wanted, size),
      })
    }, signal)
  }

  /**
   * Writes one file, atomically: the old file stays until the new one is whole. Aborted while it writes, the file is
   * the old one or, a moment later, the new one. An index stays with the file that it was opened from, wherever it is
   * saved. Rejects with ERR_FILE_WRITE, ERR_FILE_LOCKED (another index has that file open for writing),
   * ERR_FILE_CORRUPT (that file has a journal which does not belong to it) or the signal's reason.
   */
  async save(file: string, options?: CallOptions): Promise<void> {
    const store = this.#open()
    text('file', file)
    const signal = signalOf('save', options)
    await this.#inTurn(signal, () => store.save(file, signal))
  }

  /** Lets the rows and the file go: at once, or when the calls made before have finished. */
  dispose(): void {
    const store = this.#store
    this.#store = undefined
    if (!store) return
    if (this.#running.idle) store.dispose()
    else void this.#running.settled().then(() => store.dispose())
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Does `work` after the changes before it. An abort lets the caller go; the next change waits until work has ended. */
  async #inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const turn = this.#lastChange.then(async () => {
      signal?.throwIfAborted()
      return work()
    })
    this.#lastChange = Promise.allSettled([turn]).then(() => {}) // keeps no result
    return untilAborted(
      signal,
      this.#running.track(() => turn),
    )
  }

  #open(): IndexStore {
    if (this.#store) return this.#store
    throw new UecError('ERR_DISPOSED', 'this GaussianIndex was disposed; create or open another')
  }

  #writable(): IndexStore {
    const store = this.#open()
    if (this.readonly) throw invalid('this GaussianIndex was opened readonly; open it without to change it')
    return store
  }
}

const MOST_DIMENSIONS = 0xffffffff

function create(backend: Backend, options: IndexOptions): IndexStore {
  if (typeof options !== 'object' || options === null) {
    throw invalid(`GaussianIndex takes { dimension }, not ${describe(options)}`)
  }
  checkOptions('GaussianIndex', options, ['dimension', 'storage', 'prefilter', 'fingerprint'])
  const { dimension, storage = 'float32', prefilter = 'none', fingerprint } = options
  const plan: IndexPlan = {
    dimension: integer('dimension', dimension, 1),
    storage: oneOf('storage', storage, STORAGES),
    prefilter: oneOf('prefilter', prefilter, PREFILTERS),
    fingerprint: fingerprint === undefined ? undefined : text('fingerprint', fingerprint),
  }
  if (dimension > MOST_DIMENSIONS) throw invalid(`dimension ${dimension} is above 2^32 - 1`)
  if (prefilter !== 'none' && storage !== 'float32') {
    throw invalid(
      `prefilter '${prefilter}' goes with storage 'float32' alone, as a smaller copy to look through first: rows of storage '${storage}' are small already. Leave it out`,
    )
  }
  return backend.createIndex(plan)
}

/** Rows of the state that was searched, which is not always the one before: fewer than wanted are all there were. */
function sizeSearched({ scores }: RankedHits, queries: number, wanted: number, before: number): number {
  if (queries === 0) return before
  const cells = scores.length / queries
  return cells < hitsToFind(wanted) ? cells : Math.max(cells, before)
}

function copyIds(ids: readonly string[]): string[] {
  if (!Array.isArray(ids)) throw invalid(`ids must be an array of strings, not ${describe(ids)}`)
  return ids.slice()
}

async function checkIds(ids: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const slice = new TimeSlice(signal)
  for (const [i, id] of ids.entries()) {
    checkId(`ids[${i}]`, id)
    if (slice.spent(128)) await slice.next()
  }
}

/** Ids are stored as UTF-8, which has no lone surrogates: two such ids could become one. */
function checkId(what: string, id: unknown): string {
  if (typeof id !== 'string') throw invalid(`${what} must be a string, not ${describe(id)}`)
  if (/\p{Surrogate}/u.test(id)) throw invalid(`${what} holds half a surrogate pair, which is no text`)
  return id
}
