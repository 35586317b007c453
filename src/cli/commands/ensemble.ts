/** `uec ensemble`: makes, inspects and verifies the directory of an ensemble (method §4, §5). */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { CoefficientRule, Ensemble, EnsembleOptions } from '../../index.ts'
import type { Context } from '../context.ts'
import { EXIT_FAILURE, UsageError } from '../exit.ts'
import { readTexts } from '../input/texts.ts'
import { ensembleVerify, library } from '../library.ts'
import { collect, loadMembers } from '../members.ts'
import {
  addEncoderOptions,
  defined,
  type EncoderFlags,
  encoderOptions,
  integer,
  jsonOption,
  positive,
  wordOr,
} from '../options.ts'
import { inspectEnsemble } from '../output/ensemble.ts'
import { Reporter } from '../progress.ts'

interface Flags extends EncoderFlags {
  output: string
  coefficients?: CoefficientRule
  temperature?: number | 'auto'
  align?: 'procrustes'
  anchors?: string[]
  reference?: number
  json?: boolean
}

const EXAMPLES = `
Examples:
  $ uec ensemble make en=en.safetensors de=de.safetensors -o both
  $ uec ensemble inspect both
  $ uec ensemble verify both`

const MAKE_EXAMPLES = `
Examples:
  $ uec ensemble make minilm-l6-en=en.safetensors student-l3-de=de.safetensors -o both
  $ uec ensemble make en=en.safetensors de=de.safetensors -o both --coefficients 0.7,0.3
  $ uec ensemble make a=a.safetensors b=b.safetensors -o both --align procrustes --anchors texts.txt
  $ uec ensemble make en=en.safetensors de=de.safetensors -o both --align procrustes --anchors en.txt de.txt

A member is MODEL=POSTERIOR, or a baked encoder. Encoders of other dimension or space need --align: one file of anchors for all members, or
one file for each, whose lines mean the same; as many lines as dimensions or more. \`uec calibrate\` learns better coefficients from pairs.`

const INSPECT_EXAMPLES = `
Examples:
  $ uec ensemble inspect both
  $ uec ensemble inspect both --json`

const VERIFY_EXAMPLES = `
Examples:
  $ uec ensemble verify both

Reads every file, loads every member and embeds a text with each. Ends with 1 and says what is wrong where something is.`

const RULES = ['softmax-trace', 'inverse-variance', 'softmax-precision', 'uniform'] as const

/** A rule's name, or weights separated by commas. */
function parseRule(text: string): CoefficientRule {
  const rule = RULES.find((name) => name === text)
  if (rule !== undefined) return rule
  const weights = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (!weights.every((weight) => Number.isFinite(weight) && weight >= 0))
    throw new InvalidArgumentError(`It must be one of ${RULES.join(', ')}, or weights such as 0.7,0.3.`)
  return weights
}

export function ensembleCommand(context: Context): Command {
  const make = new Command('make')
    .description('put fitted encoders into one directory that serves')
    .argument('<members...>', 'MODEL=POSTERIOR of each encoder, or a baked encoder')
    .requiredOption('-o, --output <directory>', 'where the ensemble goes')
    .option('--coefficients <rule>', `${RULES.join(', ')}, or weights: 0.7,0.3`, parseRule)
    .option('--temperature <t>', "T of the softmax rules, or 'auto'", wordOr(['auto'], positive))
    .addOption(new Option('--align <how>', 'bring the members into one space').choices(['procrustes']))
    .option('--anchors <file...>', 'texts to align on: one file, or one for each member')
    .option('--reference <n>', 'the member whose space is kept, counted from 0', integer(0))
    .addOption(jsonOption())
    .addHelpText('after', MAKE_EXAMPLES)
  const inspect = new Command('inspect')
    .description('say what an ensemble is made of, without loading it')
    .argument('<ensemble>', 'directory of an ensemble')
    .addOption(jsonOption())
    .addHelpText('after', INSPECT_EXAMPLES)
    .action((directory: string, flags: { json?: boolean }) => inspectEnsemble(directory, flags.json === true))
  const verify = new Command('verify')
    .description('check that an ensemble is whole and works')
    .argument('<ensemble>', 'directory of an ensemble')
    .addOption(jsonOption())
    .addHelpText('after', VERIFY_EXAMPLES)
  return new Command('ensemble')
    .description('make, inspect and verify ensembles (each with --json)')
    .addHelpText('after', EXAMPLES)
    .addCommand(
      addEncoderOptions(make).action((members: string[], flags: Flags) =>
        makeEnsemble(context, members, flags),
      ),
    )
    .addCommand(inspect)
    .addCommand(
      addEncoderOptions(verify).action((directory: string, flags: Flags) =>
        verifyDirectory(context, directory, flags),
      ),
    )
}

async function makeEnsemble({ signal }: Context, members: string[], flags: Flags): Promise<void> {
  if (flags.align === undefined && (flags.anchors || flags.reference !== undefined))
    throw new UsageError('--anchors and --reference belong to --align procrustes')
  if (flags.align && !flags.anchors) throw new UsageError('--align procrustes needs --anchors')
  const count = flags.anchors?.length ?? 1
  if (count !== 1 && count !== members.length)
    throw new UsageError(`${count} files of anchors for ${members.length} members: give one, or one for each`)
  const reporter = new Reporter({ quiet: flags.json === true })
  const anchors = await readAnchors(flags.anchors, signal)
  const { coefficients, temperature, align, reference } = flags
  const options = defined({ coefficients, temperature, align, anchors, reference, signal }) as EnsembleOptions
  const { Ensemble } = await library()
  const encoders = await reporter.run('Loading', () => loadMembers(members, flags))
  try {
    const load = () => Ensemble.load(encoders, options)
    await using ensemble = align ? await reporter.run('Aligning', load) : await load()
    signal.throwIfAborted()
    await reporter.run('Saving', () => ensemble.save(flags.output, { signal }))
    report(ensemble, flags, reporter)
    warnOfFewAnchors(ensemble, reporter)
  } finally {
    for (const encoder of encoders) await encoder.dispose()
  }
}

async function readAnchors(files: readonly string[] | undefined, signal: AbortSignal) {
  if (!files) return undefined
  const lists: string[][] = []
  for (const file of files) {
    // Lines of several files belong together: a blank one keeps its place.
    const skipBlank = files.length === 1
    const texts = await collect([file], (sources) => readTexts(sources, { signal, skipBlank }))
    lists.push((texts ?? []).map(({ text }) => text))
  }
  return lists.length === 1 ? lists[0] : lists
}

function report(ensemble: Ensemble, flags: Flags, reporter: Reporter): void {
  const { temperature, fingerprint, dimension, members, alignment } = ensemble
  if (flags.json) {
    const result = { ensemble: flags.output, members: members.length, dimension, temperature, fingerprint }
    console.log(JSON.stringify({ ...result, alignment, seconds: reporter.seconds }))
    return
  }
  console.log(
    `${flags.output}: ${members.length} members, dimension ${dimension}, temperature ${temperature.toPrecision(4)}`,
  )
  for (const [k, fit] of (alignment ?? []).entries())
    if (fit)
      console.log(`  member ${k} aligned on ${fit.anchors} anchors, mean cosine ${fit.cosine.toFixed(3)}`)
}

/** With fewer anchors than dimensions a map fits them too well, and leaves directions as they are. */
function warnOfFewAnchors({ alignment, members, dimension }: Ensemble, reporter: Reporter): void {
  for (const [k, fit] of (alignment ?? []).entries()) {
    const wanted = Math.max(dimension, members[k]!.dimension)
    if (fit && fit.anchors < wanted)
      reporter.line(
        `member ${k}: ${fit.anchors} anchors are fewer than its ${wanted} dimensions, so the mean cosine says little; give more`,
      )
  }
}

async function verifyDirectory({ signal }: Context, directory: string, flags: Flags): Promise<void> {
  const reporter = new Reporter({ quiet: flags.json === true })
  const { verifyEnsemble } = await ensembleVerify()
  const problems = await reporter.run('Verifying', () =>
    verifyEnsemble(directory, encoderOptions(flags), signal),
  )
  if (flags.json) console.log(JSON.stringify({ ensemble: directory, whole: problems.length === 0, problems }))
  else console.log(problems.length === 0 ? `${directory}: whole` : problems.join('\n'))
  if (problems.length > 0) process.exitCode = EXIT_FAILURE
}
