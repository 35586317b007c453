/** `uec posterior`: looks at posterior files, adds up those of shards, and changes λ, T_l and c (method §2). */
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import type { Posterior, PosteriorChanges } from '../../index.ts'
import type { Context } from '../context.ts'
import { library } from '../library.ts'
import { defined, jsonOption, positive, wordOr } from '../options.ts'
import { refuseOverwrite } from '../output/overwrite.ts'
import { describePosterior, fieldsOf } from '../output/posterior.ts'
import { Reporter } from '../progress.ts'

interface InfoFlags {
  json?: boolean
}

interface WriteFlags extends InfoFlags {
  output: string
}

type ChangeFlags = WriteFlags & PosteriorChanges

const EXAMPLES = `
Examples:
  $ uec posterior info de.safetensors --json
  $ uec posterior merge shard1.safetensors shard2.safetensors -o all.safetensors
  $ uec posterior with de.safetensors --prior-precision marglik -o marglik.safetensors

Shards cut at multiples of the batch size and fitted alike add up to the fit of the whole.`

export function posteriorCommand(context: Context): Command {
  const command = new Command('posterior')
    .description('look at posteriors, merge those of shards, change their prior or scale')
    .addHelpText('after', EXAMPLES)
  const parts = [infoCommand(context), mergeCommand(context), withCommand(context)]
  for (const part of parts) command.addCommand(part.addOption(jsonOption()))
  return command
}

function infoCommand({ signal }: Context): Command {
  return new Command('info')
    .description('what a posterior was made with and what came of it')
    .argument('<file>', 'a posterior, from `uec fit`')
    .action(async (file: string, flags: InfoFlags) => {
      const { Posterior } = await library()
      const posterior = await Posterior.load(file, { signal })
      const { fingerprint } = posterior
      const settings = await settingsOf(file)
      if (flags.json) {
        console.log(JSON.stringify({ posterior: file, ...fieldsOf(posterior), fingerprint, settings }))
        return
      }
      console.log(describePosterior(file, posterior, new Reporter()))
      const more = {
        'log marginal likelihood': posterior.logMarginalLikelihood.toFixed(1),
        layer: `${posterior.dimension} x ${posterior.features}`,
        encoder: fingerprint,
        ...settings,
      }
      for (const [name, value] of Object.entries(more)) console.log(`  ${name.padEnd(22)} ${value}`)
    })
}

function mergeCommand({ signal }: Context): Command {
  return new Command('merge')
    .description('add up the posteriors of shards')
    .argument('<files...>', 'posteriors of one encoder, fitted with the same options')
    .requiredOption('-o, --output <file>', 'where the sum goes')
    .action(async (files: string[], flags: WriteFlags) => {
      refuseOverwrite(flags.output, files)
      const { Posterior } = await library()
      const parts: Posterior[] = []
      for (const file of files) parts.push(await Posterior.load(file, { signal }))
      await write(Posterior.merge(parts), flags)
    })
}

function withCommand({ signal }: Context): Command {
  return new Command('with')
    .description('the same data under another prior precision, Laplace temperature or scale')
    .argument('<file>', 'a posterior, from `uec fit`')
    .requiredOption('-o, --output <file>', 'where the new posterior goes')
    .option(
      '--prior-precision <lambda>',
      "a number, 'relative' or 'marglik'",
      wordOr(['relative', 'marglik'], positive),
    )
    .option('--laplace-temperature <t>', 'tempers the curvature', positive)
    .option('--scale <c>', 'factor of every variance', positive)
    .action(async (file: string, flags: ChangeFlags) => {
      refuseOverwrite(flags.output, [file])
      const { Posterior } = await library()
      const { priorPrecision, laplaceTemperature, scale } = flags
      const posterior = await Posterior.load(file, { signal })
      await write(posterior.with(defined({ priorPrecision, laplaceTemperature, scale })), flags)
    })
}

async function write(posterior: Posterior, { output, json }: WriteFlags): Promise<void> {
  await posterior.save(output)
  const reporter = new Reporter({ quiet: json === true })
  if (json) console.log(JSON.stringify({ posterior: output, ...fieldsOf(posterior) }))
  else console.log(describePosterior(output, posterior, reporter))
}

/** The settings that a valid file records; docs/posterior-format.md explains them. */
async function settingsOf(file: string): Promise<Record<string, string>> {
  const bytes = await readFile(file)
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())))
  const { __metadata__: metadata } = header as { __metadata__: Record<string, string> }
  const shown = [
    'format',
    'checksum',
    'fingerprint',
    'pairs',
    'correct',
    'loss_sum',
    'prior_precision',
    'scale',
  ]
  return Object.fromEntries(
    Object.entries(metadata)
      .filter(([name]) => !shown.includes(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
