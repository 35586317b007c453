/** The members of an ensemble as the command line names them. */
import { existsSync } from 'node:fs'
import type { Encoder } from '../index.ts'
import { UsageError } from './exit.ts'
import { library } from './library.ts'
import { type EncoderFlags, encoderOptions } from './options.ts'

/** `MODEL=POSTERIOR` in its two parts; a path that exists as it is has no posterior. */
export function parseMember(member: string): { model: string; posterior?: string } {
  const split = member.lastIndexOf('=')
  if (split < 0 || existsSync(member)) return { model: member }
  const model = member.slice(0, split)
  const posterior = member.slice(split + 1)
  if (model === '' || posterior === '') throw new UsageError(`'${member}' is not MODEL=POSTERIOR`)
  return { model, posterior }
}

/** Loads `MODEL=POSTERIOR` and baked encoders; after an error none stays loaded. */
export async function loadMembers(members: readonly string[], flags: EncoderFlags): Promise<Encoder[]> {
  const { Encoder, UecError } = await library()
  const encoders: Encoder[] = []
  try {
    for (const member of members) {
      const { model, posterior } = parseMember(member)
      const encoder = await Encoder.load(model, { ...encoderOptions(flags), ...(posterior && { posterior }) })
      encoders.push(encoder)
      if (!encoder.fitted)
        throw new UecError(
          'ERR_NOT_FITTED',
          `${member} has no variances: write ${member}=POSTERIOR, with a posterior from \`uec fit\`, or give a baked encoder`,
        )
    }
    return encoders
  } catch (error) {
    for (const encoder of encoders) await encoder.dispose()
    throw error
  }
}

/** All items of some files, or undefined where none are named. */
export async function collect<T>(
  sources: readonly string[] | undefined,
  read: (sources: readonly string[]) => AsyncIterable<T>,
): Promise<T[] | undefined> {
  if (!sources) return undefined
  const items: T[] = []
  for await (const item of read(sources)) items.push(item)
  return items
}
