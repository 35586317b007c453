// The ensemble directory: ensemble.json beside one baked encoder per member. All paths in it are relative.
import { randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type CoefficientRule, planCoefficients } from './coefficients.ts'
import { Encoder } from './encoder.ts'
import { UecError } from './errors.ts'

const FORMAT = 'uec-ensemble'
const VERSION = 1
const NAME = 'ensemble.json'
/** Ends the name of an ensemble that is about to be replaced. */
const AWAY = '-old'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface StoredMember {
  path: string
  fingerprint: string
}

export interface StoredEnsemble {
  members: readonly StoredMember[]
  coefficients: CoefficientRule
  temperature: number
  normalize: boolean
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
  const { members, coefficients, temperature, normalize } = stored
  if (!Array.isArray(members) || members.length === 0 || !members.every(isMember))
    throw corrupt('its members are not listed as they should be')
  if (typeof temperature !== 'number' || !(temperature > 0 && temperature < Infinity))
    throw corrupt('its temperature is no finite number > 0')
  if (typeof normalize !== 'boolean') throw corrupt('normalize is neither true nor false')
  try {
    planCoefficients(coefficients as CoefficientRule, 1, new Float32Array(0), members.length, 0)
  } catch (cause) {
    throw corrupt((cause as Error).message, cause)
  }
  return {
    members: members.map((member) => ({ ...member, path: inside(directory, member.path) })),
    coefficients: coefficients as CoefficientRule,
    temperature,
    normalize,
  }
}

function isMember(member: unknown): member is StoredMember {
  const { path, fingerprint } = (member ?? {}) as Partial<StoredMember>
  return typeof path === 'string' && typeof fingerprint === 'string'
}

/** A member's absolute path, which must stay in the ensemble's directory. */
function inside(directory: string, path: string): string {
  const root = resolve(directory)
  const full = resolve(root, path)
  if (!full.startsWith(join(root, '/')))
    throw new UecError('ERR_FILE_CORRUPT', `member path ${path} leaves the ensemble's directory`)
  return full
}

/**
 * Writes the directory beside its place and renames it, so that a reader sees the old one or the new one. A killed process leaves a
 * hidden directory beside it, which nothing reads. An abort takes effect between two steps, none of which then goes on beside the
 * cleaning up. ERR_FILE_WRITE.
 */
export async function writeEnsemble(
  directory: string,
  members: readonly Encoder[],
  settings: Omit<StoredEnsemble, 'members'>,
  signal?: AbortSignal,
): Promise<void> {
  const target = resolve(directory)
  await finish(target)
  const old = await stat(target).catch(() => undefined)
  if (old && !(await stat(join(target, NAME)).catch(() => undefined)))
    throw new UecError(
      'ERR_FILE_WRITE',
      `${directory} exists and is not an ensemble; choose another place or remove it`,
    )
  let temporary: string | undefined
  try {
    await mkdir(dirname(target), { recursive: true })
    temporary = join(dirname(target), `.${basename(target)}-${randomUUID()}`)
    await mkdir(temporary) // mkdtemp would make it private to this user
    const listed: StoredMember[] = []
    for (const [k, member] of members.entries()) {
      signal?.throwIfAborted()
      const path = `members/${k}`
      const { identity, directory: from } = Encoder.handle(member)
      await copySettings(from, join(temporary, path))
      await member.bake(join(temporary, path, 'onnx', 'model.onnx'))
      listed.push({ path, fingerprint: identity })
    }
    const content = { format: FORMAT, version: VERSION, members: listed, ...settings }
    await writeFile(join(temporary, NAME), `${JSON.stringify(content, null, 2)}\n`, { flush: true })
    signal?.throwIfAborted()
    await replace(temporary, target, old !== undefined)
  } catch (cause) {
    if (temporary) await rm(temporary, { recursive: true, force: true })
    if (cause instanceof UecError || signal?.aborted) throw cause
    throw new UecError(
      'ERR_FILE_WRITE',
      `the ensemble could not be written to ${directory}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

/**
 * A directory cannot be renamed over another, so there are two renames. `finish` does the second one where this process
 * is killed between them, or where a reader comes by.
 */
async function replace(made: string, target: string, exists: boolean): Promise<void> {
  if (!exists) return rename(made, target)
  const away = `${made}${AWAY}`
  await rename(target, away)
  try {
    await rename(made, target)
  } catch (error) {
    if (await stat(made).catch(() => undefined)) {
      await rename(away, target)
      throw error
    }
  }
  await rm(away, { recursive: true, force: true })
}

/** Brings a whole new ensemble to its place where both it and the old one, renamed away, stand beside it. */
async function finish(target: string): Promise<void> {
  if (await stat(target).catch(() => undefined)) return
  const prefix = `.${basename(target)}-`
  const beside = new Set(await readdir(dirname(target)).catch(() => []))
  for (const name of beside) {
    const isOurs = name.startsWith(prefix) && UUID.test(name.slice(prefix.length))
    if (!isOurs || !beside.has(`${name}${AWAY}`)) continue
    const made = join(dirname(target), name)
    await rename(made, target).catch(() => {}) // done by another process, or not allowed: then nothing is found
  }
}

/** The files of a model directory that say how to use it, beside the graph. */
const SETTINGS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'config.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  '1_Pooling',
  '2_Normalize',
  'README.md',
]

/** Copies what stands beside a graph; what is not there is left out. */
async function copySettings(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'onnx'), { recursive: true })
  for (const name of SETTINGS) {
    const source = join(from, name)
    if (await stat(source).catch(() => undefined)) await cp(source, join(to, name), { recursive: true })
  }
}
