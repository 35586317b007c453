/** Exact search over Gaussians by id, over a backend. The entries bind it to theirs in a thin subclass. */

import type { Backend, IndexStore, SearchPlan } from './backend.ts'
import { invalid, UecError } from './errors.ts'
import { checkBatch, checkFingerprint, type Gaussian, type GaussianBatch } from './gaussian-batch.ts'
import { Hits, hitsToFind } from './hits.ts'
import { filterIds, IdFilter, type IndexFilter } from './index-filter.ts'
import { boolean, checkOptions, describe, finite, integer, oneOf, text } from './options.ts'
import { ReadWriteLock } from './read-write-lock.ts'
import { planScore, type ScoreOptions } from './scores.ts'
import { abortable, type CallOptions, checkSignal, signalOf, untilAborted } from './signal.ts'
import { TimeSlice } from './time-slice.ts'

/** How rows are kept. This version keeps float32. */
export type Storage = 'float32' | 'float16' | 'int8'

export interface IndexOptions {
  /** D. */
  dimension: number
  /** Default 'float32'. */
  storage?: Storage
  /** Default 'none'. */
  prefilter?: 'none' | 'int8'
  /** Of the ensemble that makes the rows; batches of another one are then refused. */
  fingerprint?: string
}

export interface OpenOptions {
  mmap?: boolean
  /** Refuses add and remove. */
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
    this.dimension = store.dimension
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
  if (boolean('mmap', mmap)) {
    throw invalid(
      'mmap: true is not available in this version, which reads the file into memory; leave it out',
    )
  }
  boolean('readonly', readonly)
  text('file', file)
  const signal = checkSignal(options.signal)
  const store = await abortable(signal, () => backend.openIndex(file, signal))
  return new OpenedIndex(store, readonly)
}

/**
 * Gaussians with ids, in memory. Rows keep the position in which they were first added. Calls take effect in the order
 * in which they are made, awaited or not. After dispose every call is ERR_DISPOSED.
 *
 * A call that is aborted while it waits for those before it does nothing. One that is aborted while it works rejects
 * at once, but the calls after it still wait until that work has really ended, and so see all of it or nothing.
 */
export abstract class AbstractGaussianIndex implements Disposable {
  /** D. */
  readonly dimension: number
  /** Of the ensemble that made the rows, if known. A mismatch on add or search is ERR_POSTERIOR_MISMATCH. */
  readonly fingerprint: string | undefined
  readonly #readonly: boolean
  readonly #order = new ReadWriteLock()
  #store: IndexStore | undefined
  // As of the last finished change: asking the store would wait for one that is under way, or see half of it.
  #size = 0
  #bytes = 0

  constructor(backend: Backend, options: IndexOptions) {
    const opened = options instanceof OpenedIndex ? options : new OpenedIndex(create(backend, options), false)
    this.dimension = opened.dimension
    this.fingerprint = opened.store.fingerprint
    this.#readonly = opened.readonly
    this.#store = opened.store
    this.#count(opened.store)
  }

  /** Number of rows, without those of an add that is under way. */
  get size(): number {
    this.#open()
    return this.#size
  }

  /** Memory of the rows and ids, in bytes. */
  get bytes(): number {
    this.#open()
    return this.#bytes
  }

  /**
   * Adds rows, or replaces the rows of known ids in place. All or nothing, also if it is aborted while it works: the
   * index then gets every row or none, and `batch` may be read for a moment longer.
   * Rejects with ERR_INVALID_ARGUMENT (the same id twice, a row whose mean is all zero, not one id per row),
   * ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH or the signal's reason.
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
    await this.#inTurn('write', signal, async () => {
      await checkIds(own, signal)
      await store.add(own, batch, signal)
      this.#count(store)
    })
  }

  /**
   * Removes rows; unknown ids are ignored. Resolves with the number of rows removed. Aborted while it works, it removes
   * all of them or none.
   */
  async remove(ids: readonly string[], options?: CallOptions): Promise<number> {
    const store = this.#writable()
    const signal = signalOf('remove', options)
    const own = copyIds(ids)
    return this.#inTurn('write', signal, async () => {
      await checkIds(own, signal)
      const removed = await store.remove(own)
      this.#count(store)
      return removed
    })
  }

  /** A copy of the row of this id. */
  get(id: string): Gaussian | undefined {
    return this.#open().get(checkId('id', id))
  }

  has(id: string): boolean {
    return this.#open().has(checkId('id', id))
  }

  /** All ids, by position. */
  ids(): readonly string[] {
    return this.#open().ids()
  }

  /** The ids for which the predicate holds, for use in searches. Asks in slices that leave the event loop free. */
  async filter(predicate: (id: string) => boolean, options?: CallOptions): Promise<IndexFilter> {
    if (typeof predicate !== 'function') {
      throw invalid(`filter takes a function of the id, not ${describe(predicate)}`)
    }
    const signal = signalOf('filter', options)
    const store = this.#open()
    return this.#inTurn('read', signal, async () => {
      const chosen: string[] = []
      const slice = new TimeSlice()
      for (const id of store.ids()) {
        signal?.throwIfAborted()
        if (predicate(id)) chosen.push(id)
        if (slice.spent(128)) await slice.next()
      }
      return new IdFilter(chosen)
    })
  }

  /** Reads and checks every row. Rejects with ERR_FILE_CORRUPT or the signal's reason. */
  async verify(options?: CallOptions): Promise<void> {
    const signal = signalOf('verify', options)
    const store = this.#open()
    await this.#inTurn('read', signal, () => store.verify(signal))
  }

  /**
   * The exact top k by the chosen score. Ties: lower position first.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_POSTERIOR_MISMATCH or the signal's reason.
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
    return this.#inTurn('read', signal, async () => {
      const size = store.size()
      const ranked = await store.search(queries, { ...plan, k: hitsToFind(wanted, size) }, signal)
      return new Hits({ ...ranked, queries: queries.length, wanted, size })
    })
  }

  /**
   * Writes one file, atomically: the old file stays until the new one is whole. Aborted while it writes, the file is
   * the old one or, a moment later, the new one. Rejects with ERR_FILE_WRITE or the signal's reason.
   */
  async save(file: string, options?: CallOptions): Promise<void> {
    const store = this.#open()
    text('file', file)
    const signal = signalOf('save', options)
    await this.#inTurn('read', signal, () => store.save(file, signal))
  }

  /** Lets the rows go once the calls made before have finished. */
  dispose(): void {
    const store = this.#store
    this.#store = undefined
    if (store) void this.#order.write(async () => store.dispose())
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Does `work` after what comes before it. An abort lets the caller go; the lock is held until the work has ended. */
  async #inTurn<T>(
    kind: 'read' | 'write',
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    const turn = this.#order[kind](async () => {
      signal?.throwIfAborted()
      return work()
    })
    return untilAborted(signal, turn)
  }

  #count(store: IndexStore): void {
    this.#size = store.size()
    this.#bytes = store.bytes()
  }

  #open(): IndexStore {
    if (this.#store) return this.#store
    throw new UecError('ERR_DISPOSED', 'this GaussianIndex was disposed; create or open another')
  }

  #writable(): IndexStore {
    const store = this.#open()
    if (this.#readonly) throw invalid('this GaussianIndex was opened readonly; open it without to change it')
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
  if (oneOf('storage', storage, ['float32', 'float16', 'int8']) !== 'float32') {
    throw invalid(`storage '${storage}': this version stores float32`)
  }
  if (oneOf('prefilter', prefilter, ['none', 'int8']) !== 'none') {
    throw invalid(`prefilter '${prefilter}': this version stores float32 only; leave it out`)
  }
  if (fingerprint !== undefined) text('fingerprint', fingerprint)
  if (integer('dimension', dimension, 1) > MOST_DIMENSIONS)
    throw invalid(`dimension ${dimension} is above 2^32 - 1`)
  return backend.createIndex(dimension, fingerprint)
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
