// Members of other dimension or space: each is brought into the space of a reference member by an orthogonal map (method §5).
import { createHash } from 'node:crypto'
import { checkTexts } from './embed.ts'
import type { Encoder } from './encoder.ts'
import type { EncoderBatch } from './encoder-batch.ts'
import { invalid } from './errors.ts'
import { run } from './job.ts'
import { type Binding, native } from './native.ts'
import { describe, integer, oneOf } from './options.ts'

/** Texts that all members embed, or one list per member whose texts at one position mean the same, such as translations. */
export type Anchors = readonly string[] | readonly (readonly string[])[]

export interface AlignOptions {
  /**
   * 'procrustes': carry every member into the space of the reference by an orthogonal map fitted on `anchors`. Default: what the ensemble
   * was saved with, else 'none'.
   */
  align?: 'none' | 'procrustes'
  /**
   * What maps are fitted on. As many as a member has dimensions, or more; with fewer, directions that no anchor shows are left as they are.
   * A member learns nothing from texts that it does not understand: for experts of different languages give each its own, translations.
   */
  anchors?: Anchors
  /** The member whose space and dimension the ensemble has, 0. */
  reference?: number
}

/** The maps into the space of one member; never changed. */
export interface Alignment {
  readonly reference: number
  /** By member; none for the reference. */
  readonly maps: readonly (Binding.NativeAlignment | undefined)[]
  /** SHA-256 over the maps. */
  readonly digest: string
}

/** How well a member fits into the space of the reference. */
export interface AlignmentFit {
  /** Mean cosine of the mapped anchors with the reference's. Say nothing where anchors are fewer than dimensions. */
  readonly cosine: number
  readonly anchors: number
}

/** Alignment in ensemble.json: matrices row-major, float32, little-endian, in base64. */
export interface StoredAlignment {
  reference: number
  members: readonly (StoredMap | null)[]
}

interface StoredMap {
  rows: number
  columns: number
  cosine: number
  anchors: number
  matrix: string
}

/** Maps to be fitted: one list of anchors per member, all of one length. */
export interface AlignmentWork {
  lists: readonly (readonly string[])[]
  reference: number
}

/** What to fit for so many members, copied because they take their time to load; undefined where no maps are to be fitted. */
export function checkAlign(
  { align, anchors, reference }: AlignOptions,
  members: number,
  stored: boolean,
): AlignmentWork | undefined {
  if (align !== undefined) oneOf('align', align, ['none', 'procrustes'])
  if (align !== 'procrustes' && (anchors !== undefined || reference !== undefined))
    throw invalid("anchors and reference belong to align: 'procrustes'")
  if (align !== 'procrustes') return undefined
  if (anchors === undefined && !(stored && reference === undefined))
    throw invalid(
      "align: 'procrustes' needs anchors: texts that all members embed, or for each member a list of texts that mean the same",
    )
  if (anchors === undefined) return undefined
  if (!Array.isArray(anchors)) throw invalid(`anchors must be an array, not ${describe(anchors)}`)
  const lists = anchorLists(anchors, members)
  const count = lists[0]!.length
  if (count < 2) throw invalid(`${count} anchors: at least 2 are needed, better thousands`)
  return { lists, reference: integer('reference', reference ?? 0, 0, members - 1) }
}

function anchorLists(anchors: Anchors, members: number): (readonly string[])[] {
  if (!anchors.some((part) => Array.isArray(part))) {
    checkTexts(anchors)
    return new Array(members).fill(anchors.slice())
  }
  const lists = anchors as readonly (readonly string[])[]
  for (const list of lists) checkTexts(list)
  if (lists.length !== members || lists.some((list) => list.length !== lists[0]!.length))
    throw invalid(
      `anchors has lists of ${lists.map((list) => list.length).join(', ')} texts: give one list to each of the ${members} members, all of one length`,
    )
  return lists.map((list) => list.slice())
}

/** Fits the maps of all members but the reference. */
export async function fitAlignment(
  members: readonly Encoder[],
  { lists, reference }: AlignmentWork,
  signal: AbortSignal | undefined,
): Promise<Alignment> {
  const embed = async (k: number) => {
    const { mean } = await members[k]!.embed(lists[k]!, { ...(signal && { signal }) })
    return mean
  }
  const kept = await embed(reference)
  const { dimension } = members[reference]!
  const maps: (Binding.NativeAlignment | undefined)[] = []
  for (const [k, member] of members.entries()) {
    if (k === reference) {
      maps.push(undefined)
      continue
    }
    const own = await embed(k)
    maps.push(
      await run({ signal }, (job) =>
        native().NativeAlignment.fit(job, own, member.dimension, kept, dimension),
      ),
    )
  }
  return alignment(reference, maps)
}

function alignment(reference: number, maps: readonly (Binding.NativeAlignment | undefined)[]): Alignment {
  const digest = digestOf(
    reference,
    maps.map((map) => map && bytes(map.matrix())),
  )
  return Object.freeze({ reference, maps: Object.freeze([...maps]), digest })
}

function digestOf(reference: number, matrices: readonly (Buffer | undefined)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(reference))
  for (const matrix of matrices) hash.update(matrix ?? 'identity')
  return hash.digest('hex')
}

/** The digest of a stored alignment. */
export function storedDigest({ reference, members }: StoredAlignment): string {
  return digestOf(
    reference,
    members.map((map) => (map === null ? undefined : Buffer.from(map.matrix, 'base64'))),
  )
}

function bytes(matrix: Float32Array): Buffer {
  return Buffer.from(matrix.buffer, matrix.byteOffset, matrix.byteLength)
}

/** How well each member fits; none for the reference. */
export function fits({ maps }: Alignment): readonly (AlignmentFit | undefined)[] {
  return maps.map((map) => map && Object.freeze({ cosine: map.cosine, anchors: map.anchors }))
}

/** Means in the space of the reference, one array per member. */
export async function alignedMeans(
  batches: readonly EncoderBatch[],
  alignment: Alignment | undefined,
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  const means: Float32Array[] = []
  for (const [k, { mean, variance, dimension }] of batches.entries()) {
    const map = alignment?.maps[k]
    const mapped = map && (await run({ signal }, (job) => map.map(job, { mean, variance, dimension })))
    means.push(mapped ? mapped.mean : mean)
  }
  return means
}

export function storeAlignment({ reference, maps }: Alignment): StoredAlignment {
  const stored = (map: Binding.NativeAlignment): StoredMap => {
    const { rows, columns, cosine, anchors } = map
    return { rows, columns, cosine, anchors, matrix: bytes(map.matrix()).toString('base64') }
  }
  return { reference, members: maps.map((map) => (map ? stored(map) : null)) }
}

/** Whether it has the form of an alignment of so many members; the matrices are checked as they are restored. */
export function isStoredAlignment(value: unknown, members: number): value is StoredAlignment {
  const { reference, members: maps } = (value ?? {}) as Partial<StoredAlignment>
  const isIndex = Number.isSafeInteger(reference) && reference! >= 0 && reference! < members
  const isMap = (map: StoredMap | null, k: number) =>
    k === reference
      ? map === null
      : map !== null &&
        [map.rows, map.columns].every((size) => Number.isSafeInteger(size) && size >= 1 && size <= 1 << 20) &&
        Number.isSafeInteger(map.anchors) &&
        map.anchors >= 0 &&
        Number.isFinite(map.cosine) &&
        typeof map.matrix === 'string' &&
        Buffer.byteLength(map.matrix, 'base64') === 4 * map.rows * map.columns
  return isIndex && Array.isArray(maps) && maps.length === members && maps.every(isMap)
}

/** The maps of ensemble.json. Throws, with what is wrong, where a matrix does not fit its members or is not orthogonal. */
export async function restoreAlignment(
  { reference, members: stored }: StoredAlignment,
  members: readonly Encoder[],
  signal: AbortSignal | undefined,
): Promise<Alignment> {
  const maps: (Binding.NativeAlignment | undefined)[] = []
  for (const [k, map] of stored.entries()) {
    if (map === null) {
      maps.push(undefined)
      continue
    }
    const { rows, columns, cosine, anchors } = map
    const content = Buffer.from(map.matrix, 'base64')
    const sizes = [members[reference]!.dimension, members[k]!.dimension]
    if (rows !== sizes[0] || columns !== sizes[1] || content.length !== 4 * rows * columns)
      throw invalid(
        `the alignment of member ${k} is ${rows}×${columns} in ${content.length} bytes, not ${sizes.join('×')}`,
      )
    const matrix = new Float32Array(new Uint8Array(content).buffer)
    maps.push(
      await run({ signal }, (job) =>
        native().NativeAlignment.restore(job, matrix, rows, columns, cosine, anchors),
      ),
    )
  }
  return alignment(reference, maps)
}
