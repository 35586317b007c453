// The native backend: the addon behind the scores, the convolution and the index.
import type { Backend, IndexStore, Mixture, Rows } from './backend.ts'
import type { CoefficientPlan } from './coefficients.ts'
import { encodeIds } from './id-bytes.ts'
import { call, run } from './job.ts'
import { type Binding, native } from './native.ts'
import type { Storage } from './storage.ts'
import { TimeSlice } from './time-slice.ts'

const rows = ({ mean, variance, dimension }: Rows) => ({ mean, variance, dimension })

const plan = ({ sources, ...rest }: CoefficientPlan) => ({ ...rest, sources: [...sources] })

/** The native form of each filter in use: its ids cross the border once, however many searches it serves. */
const filters = new WeakMap<readonly string[], Promise<Binding.NativeFilter>>()

const PORTION = 2000

/** Hands the ids over in portions that leave the event loop free. */
async function build(ids: readonly string[]): Promise<Binding.NativeFilter> {
  const filter = new (native().NativeFilter)()
  const slice = new TimeSlice()
  for (let i = 0; i < ids.length; i += PORTION) {
    filter.add(ids.slice(i, i + PORTION))
    if (slice.spent(PORTION * 32)) await slice.next()
  }
  return filter
}

function nativeFilter(ids: readonly string[]): Promise<Binding.NativeFilter> {
  const made = filters.get(ids) ?? build(ids)
  filters.set(ids, made)
  return made
}

/** All ids in portions, each of which crosses the border when it is wanted. */
function* portions(ids: Binding.IdPortions): Iterable<readonly string[]> {
  try {
    for (let portion = ids.next(PORTION); portion.length > 0; portion = ids.next(PORTION)) yield portion
  } finally {
    ids.close()
  }
}

/** Runs work that an abort stops, and settles only once it has stopped: it holds a file. */
async function untilStopped<T>(
  signal: AbortSignal | undefined,
  start: (job: Binding.Job) => Promise<T>,
): Promise<T> {
  let stop = () => {}
  try {
    return await run({}, (job) => {
      stop = () => job.cancel()
      signal?.addEventListener('abort', stop, { once: true })
      return start(job)
    })
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function store(index: Binding.NativeIndex): IndexStore {
  return {
    plan: {
      dimension: index.dimension,
      storage: index.storage as Storage,
      prefilter: index.prefilter ? 'int8' : 'none',
      fingerprint: index.fingerprint ?? undefined,
    },
    size: () => index.size(),
    bytes: () => index.bytes(),
    add: async (ids, batch, signal) => {
      const { bytes, lengths } = await encodeIds(ids, new TimeSlice(signal))
      return run({}, (job) => index.add(job, bytes, lengths, rows(batch)))
    },
    remove: async (ids, signal) => {
      const { bytes, lengths } = await encodeIds(ids, new TimeSlice(signal))
      return run({}, (job) => index.remove(job, bytes, lengths))
    },
    get: (id) => call(() => index.get(id)) ?? undefined,
    has: (id) => index.has(id),
    ids: () => portions(index.ids()),
    search: async (queries, { filter, ...search }, signal) => {
      const handle = filter && (await nativeFilter(filter))
      return run({ signal }, (job) => index.search(job, rows(queries), search, handle))
    },
    save: (file) => run({}, (job) => index.save(job, file)),
    verify: (signal) => untilStopped(signal, (job) => index.verify(job)),
    dispose: () => call(() => index.dispose()),
  }
}

/** Mixes members, each under its map where it has one; the coefficients come from the members as they are. */
export function convolveNative(
  members: readonly Rows[],
  coefficients: CoefficientPlan,
  normalize: boolean,
  signal: AbortSignal | undefined,
  maps?: readonly (Binding.NativeAlignment | undefined)[],
): Promise<Mixture> {
  return run({ signal }, (job) =>
    native().convolve(job, members.map(rows), plan(coefficients), normalize, maps && [...maps]),
  )
}

/** The addon as a backend. Throws ERR_NATIVE_NOT_FOUND on a platform without one. */
export function nativeBackend(): Backend {
  const binding = native()
  return {
    name: 'native',
    pairwise: (queries, candidates, { score, beta }, signal) =>
      run({ signal }, (job) => binding.pairwise(job, rows(queries), rows(candidates), score, beta)),
    allPairs: (queries, candidates, { score, beta }, signal) =>
      run({ signal }, (job) => binding.allPairs(job, rows(queries), rows(candidates), score, beta)),
    convolve: convolveNative,
    createIndex: ({ dimension, storage, prefilter, fingerprint }) => {
      const options = { dimension, storage, prefilter: prefilter === 'int8' }
      return store(
        call(
          () => new binding.NativeIndex(fingerprint === undefined ? options : { ...options, fingerprint }),
        ),
      )
    },
    openIndex: async (file, { mmap, readonly }, signal) =>
      store(await untilStopped(signal, (job) => binding.NativeIndex.open(job, file, mmap, readonly))),
  }
}
