// Writing an ensemble's directory (see ensemble-file.ts), all or nothing.
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { Encoder } from './encoder.ts'
import { storeAlignment } from './ensemble-alignment.ts'
import { FORMAT, NAME, type StoredFile, type StoredMember, VERSION } from './ensemble-file.ts'
import type { Settings } from './ensemble-mixing.ts'
import { finish, replace, syncFolder } from './ensemble-place.ts'
import { UecError } from './errors.ts'
import { run } from './job.ts'
import { copySettings } from './model-settings.ts'
import { native } from './native.ts'
import { packageVersion } from './runtime.ts'

/**
 * Writes the directory beside its place and renames it, so that a reader sees the old one or the new one. A killed process leaves a
 * hidden directory beside it, which nothing reads. An abort takes effect between two steps, none of which then goes on beside the
 * cleaning up. ERR_FILE_WRITE.
 */
export async function writeEnsemble(
  directory: string,
  members: readonly Encoder[],
  names: readonly string[],
  { alignment, ...settings }: Settings,
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
      listed.push({ path, name: names[k]!, ...(await writeMember(member, join(temporary, path))) })
    }
    signal?.throwIfAborted()
    const content = {
      format: FORMAT,
      version: VERSION,
      uec: packageVersion,
      members: listed,
      ...settings,
      ...(alignment && { alignment: storeAlignment(alignment) }),
      files: await listFiles(temporary),
    }
    await writeFile(join(temporary, NAME), `${JSON.stringify(content, null, 2)}\n`, { flush: true })
    await syncFolder(temporary)
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

/** A baked encoder with everything that serving it needs; says what it is. */
async function writeMember(member: Encoder, folder: string): Promise<Omit<StoredMember, 'path' | 'name'>> {
  const handle = Encoder.handle(member)
  const { identity, directory, dimension } = handle
  await copySettings(directory, folder)
  const graphs = join(folder, 'onnx')
  await mkdir(graphs, { recursive: true })
  await run({}, (job) => handle.copyWeights(job, graphs))
  const model = join(graphs, 'model.onnx')
  await member.bake(model)
  const metadata = await run({}, (job) => native().NativeEncoder.bakedMetadata(job, model))
  const [priorPrecision, scale] = [Number(metadata['uec.prior_precision']), Number(metadata['uec.scale'])]
  const tail = metadata['uec.tail']
  return {
    fingerprint: identity,
    dimension,
    ...(Number.isFinite(priorPrecision) && { priorPrecision }),
    ...(Number.isFinite(scale) && { scale }),
    ...(tail && { tail }),
  }
}

/** Size and hash of every file below, by its path with slashes. Makes the names of all folders durable on the way. */
async function listFiles(folder: string): Promise<Record<string, StoredFile>> {
  const files: Record<string, StoredFile> = {}
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.parentPath + a.name < b.parentPath + b.name ? -1 : 1))) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) await syncFolder(path)
    else files[relative(folder, path).split(sep).join('/')] = await describeFile(path)
  }
  return files
}

/** Reads a file, however large, in portions. */
export async function describeFile(path: string): Promise<StoredFile> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const portion of createReadStream(path)) {
    hash.update(portion as Buffer)
    bytes += (portion as Buffer).length
  }
  return { bytes, sha256: hash.digest('hex') }
}
