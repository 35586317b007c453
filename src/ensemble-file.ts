// The ensemble directory: ensemble.json beside one baked encoder per member. All paths in it are relative.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type AnyRule, planCoefficients } from './coefficients.ts'
import { isStoredAlignment, type StoredAlignment, storedDigest } from './ensemble-alignment.ts'
import { fingerprintOf } from './ensemble-mixing.ts'
import { finish } from './ensemble-place.ts'
import { UecError } from './errors.ts'

export const FORMAT = 'uec-ensemble'
/** 2 added alignments, what each member is, and the files. */
export const VERSION = 2
export const NAME = 'ensemble.json'

export interface StoredMember {
  /** Relative to the ensemble's directory in the file, absolute once it is read. */
  path: string
  fingerprint: string
  /** Of the folder that the encoder came from; for people. This and what follows are not in files of version 1. */
  name?: string
  dimension?: number
  priorPrecision?: number
  scale?: number
  tail?: string
}

/** What a file of the directory must be. */
export interface StoredFile {
  bytes: number
  sha256: string
}

export interface StoredEnsemble {
  version: number
  /** Of the uec that wrote it. */
  uec?: string
  members: readonly StoredMember[]
  coefficients: AnyRule
  temperature: number
  normalize: boolean
  alignment?: StoredAlignment
  /** By path relative to the ensemble's directory; all but ensemble.json. */
  files?: Readonly<Record<string, StoredFile>>
}

/** Reads ensemble.json; the members' paths come out absolute. ERR_FILE_NOT_FOUND, ERR_FILE_CORRUPT, ERR_FILE_VERSION. */
export async function readEnsemble(directory: string): Promise<StoredEnsemble> {
  const file = join(directory, NAME)
  await finish(resolve(directory))
  const content = await readFile(file, 'utf8').catch((cause) => {
    throw new UecError('ERR_FILE_NOT_FOUND', `no ensemble at ${directory}: ${file} cannot be read`, { cause })
  })
  const corrupt = (why: string, cause?: unknown) =>
    new UecError('ERR_FILE_CORRUPT', `${file} is damaged: ${why}`, { cause })
  let stored: Record<string, unknown>
  try {
    stored = JSON.parse(content)
  } catch (cause) {
    throw corrupt('it is not JSON', cause)
  }
  if (stored?.format !== FORMAT) throw corrupt(`its format is not "${FORMAT}"`)
  if (!Number.isSafeInteger(stored.version) || (stored.version as number) < 1)
    throw corrupt('its version is no version')
  if ((stored.version as number) > VERSION)
    throw new UecError(
      'ERR_FILE_VERSION',
      `${file} has version ${stored.version}; this uec reads up to ${VERSION}. Update uec.`,
    )
  const { version, uec, members, coefficients, temperature, normalize, alignment, files } = stored
  if (!Array.isArray(members) || members.length === 0 || !members.every(isMember))
    throw corrupt('its members are not listed as they should be')
  if (typeof temperature !== 'number' || !(temperature > 0 && temperature < Infinity))
    throw corrupt('its temperature is no finite number > 0')
  if (typeof normalize !== 'boolean') throw corrupt('normalize is neither true nor false')
  try {
    planCoefficients(coefficients as AnyRule, 1, new Float32Array(0), members.length, 0)
  } catch (cause) {
    throw corrupt((cause as Error).message, cause)
  }
  if (alignment !== undefined && !isStoredAlignment(alignment, members.length))
    throw corrupt('its alignment is not as it should be')
  if (files !== undefined && !(typeof files === 'object' && Object.values(files ?? [null]).every(isFile)))
    throw corrupt('its files are not listed as they should be')
  return {
    version: version as number,
    ...(typeof uec === 'string' && { uec }),
    members: members.map((member) => ({ ...member, path: inside(directory, member.path) })),
    coefficients: coefficients as AnyRule,
    temperature,
    normalize,
    ...(alignment !== undefined && { alignment }),
    ...(files !== undefined && { files: files as Record<string, StoredFile> }),
  }
}

function isMember(member: unknown): member is StoredMember {
  const { path, fingerprint, name, tail, dimension, priorPrecision, scale } = (member ??
    {}) as Partial<StoredMember>
  return (
    typeof path === 'string' &&
    typeof fingerprint === 'string' &&
    [name, tail].every((text) => text === undefined || typeof text === 'string') &&
    [dimension, priorPrecision, scale].every((value) => value === undefined || Number.isFinite(value))
  )
}

function isFile(file: unknown): file is StoredFile {
  const { bytes, sha256 } = (file ?? {}) as Partial<StoredFile>
  return Number.isSafeInteger(bytes) && typeof sha256 === 'string'
}

/** An absolute path, which must stay in the ensemble's directory. */
export function inside(directory: string, path: string): string {
  const root = resolve(directory)
  const full = resolve(root, path)
  if (!full.startsWith(join(root, '/')))
    throw new UecError('ERR_FILE_CORRUPT', `the path ${path} leaves the ensemble's directory`)
  return full
}

/** What the file says, with the fingerprint and the size that follow from it; matrices are left out. */
export async function describeEnsemble(directory: string) {
  const { members, alignment, files, ...rest } = await readEnsemble(directory)
  const { dimension } = members[alignment?.reference ?? 0]!
  const sizes = files && Object.values(files).map((file) => file.bytes)
  return {
    ...rest,
    members,
    ...(dimension !== undefined && { dimension }),
    fingerprint: fingerprintOf(
      members.map((member) => member.fingerprint),
      { ...rest, ...(alignment && { alignment: { digest: storedDigest(alignment) } }) },
    ),
    ...(sizes && { bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) }),
    ...(alignment && {
      alignment: {
        reference: alignment.reference,
        members: alignment.members.map((map) => map && { ...map, matrix: undefined }),
      },
    }),
  }
}
