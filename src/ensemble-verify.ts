// Whether an ensemble's directory is whole: every file, every member, and a text embedded by each.
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { Encoder } from './encoder.ts'
import type { EncoderOptions } from './encoder-options.ts'
import { Ensemble } from './ensemble.ts'
import { inside, readEnsemble, type StoredEnsemble } from './ensemble-file.ts'
import { describeFile } from './ensemble-save.ts'
import type { GaussianBatch } from './gaussian-batch.ts'

const TEXT = 'the quick brown fox'

/** What is wrong, in sentences; nothing where all is well. An ensemble.json that cannot be read is an error. */
export async function verifyEnsemble(
  directory: string,
  encoder: EncoderOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const stored = await readEnsemble(directory)
  const problems = await wrongFiles(directory, stored, signal)
  for (const [k, { path, fingerprint }] of stored.members.entries()) {
    signal.throwIfAborted()
    problems.push(...(await said(`member ${k}`, () => wrongMember(path, fingerprint, encoder))))
  }
  // Of the rule nothing is loaded here: a calibration may look at a source that only its user has.
  if (problems.length === 0)
    problems.push(...(await said('the mixture', () => wrongMixture(directory, encoder))))
  return problems
}

async function wrongFiles(
  directory: string,
  { files = {} }: StoredEnsemble,
  signal: AbortSignal,
): Promise<string[]> {
  const problems: string[] = []
  const root = await realpath(directory)
  for (const [name, expected] of Object.entries(files)) {
    signal.throwIfAborted()
    const target = await realpath(inside(directory, name)).catch(() => undefined)
    if (target !== undefined && !target.startsWith(join(root, '/')))
      problems.push(`${name} is a link out of the directory, which is lost where that is moved`)
    const found = await describeFile(inside(directory, name)).catch(() => undefined)
    if (!found) problems.push(`${name} is missing or cannot be read`)
    else if (found.bytes !== expected.bytes)
      problems.push(`${name} has ${found.bytes} bytes instead of ${expected.bytes}`)
    else if (found.sha256 !== expected.sha256) problems.push(`${name} is not the file that was saved`)
  }
  return problems
}

async function wrongMember(path: string, fingerprint: string, options: EncoderOptions): Promise<string[]> {
  await using member = await Encoder.load(path, { ...options, normalize: true })
  const problems: string[] = []
  if (member.identity !== fingerprint) problems.push('it is not the encoder that the ensemble was saved with')
  if (!member.fitted) problems.push('it has no variances')
  return [...problems, ...wrongRow(await member.embed([TEXT]))]
}

async function wrongMixture(directory: string, encoder: EncoderOptions): Promise<string[]> {
  await using ensemble = await Ensemble.load(directory, { encoder, coefficients: 'uniform' })
  return wrongRow(await ensemble.embed([TEXT]))
}

function wrongRow(batch: GaussianBatch & { valid: Uint8Array }): string[] {
  const sound = batch.mean.every(Number.isFinite) && batch.variance.every(Number.isFinite)
  if (!sound) return [`it gives numbers that are not finite for '${TEXT}'`]
  return batch.valid[0] === 1 ? [] : [`it cannot embed '${TEXT}'`]
}

/** The problems found, or the error that looking for them ended with. */
async function said(what: string, look: () => Promise<string[]>): Promise<string[]> {
  const found = await look().catch((error: unknown) => [error instanceof Error ? error.message : `${error}`])
  return found.map((problem) => `${what}: ${problem}`)
}
