/** `uec calibrate`: an ensemble of fitted encoders, its temperature and learned coefficients (method §4). */
import { Command } from 'commander'
import type { Calibration, Ensemble, Pair, UncertaintySource } from '../../index.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../exit.ts'
import type { Format } from '../input/rows.ts'
import { readPairs, readTexts } from '../input/texts.ts'
import { library } from '../library.ts'
import { collect, loadMembers } from '../members.ts'
import { isEnsemble } from '../model.ts'
import {
  addEncoderOptions,
  type EncoderFlags,
  encoderOptions,
  formatOption,
  jsonOption,
  list,
} from '../options.ts'
import { calibrationLines } from '../output/calibration.ts'
import { Reporter } from '../progress.ts'

interface Flags extends EncoderFlags {
  output?: string
  texts?: string[]
  pairs?: string[]
  sources?: UncertaintySource[]
  format?: Format
  json?: boolean
}

const EXAMPLES = `
Examples:
  $ uec calibrate minilm-l6-en=en.safetensors student-l3-de=de.safetensors --pairs translations.tsv -o ensemble
  $ uec calibrate ensemble --texts corpus.txt           (updates the temperature in place)
  $ uec calibrate ensemble --pairs pairs.jsonl --sources trace,inverse-norm -o other

A member is MODEL=POSTERIOR, or a baked encoder. From texts comes the temperature, from pairs the learned coefficients.
Encoders of other dimension or space are first brought into one by \`uec ensemble make --align\`; then calibrate that directory.`

export function calibrateCommand(context: Context): Command {
  const command = new Command('calibrate')
    .description('make or update an ensemble: temperature from texts, learned coefficients from pairs')
    .argument('<members...>', 'MODEL=POSTERIOR of each encoder, or the directory of an ensemble')
    .option('-o, --output <directory>', 'where the ensemble goes; the given ensemble unless told')
    .option('--texts <file...>', 'texts as lines or JSONL')
    .option('--pairs <file...>', 'pairs as JSONL, CSV or TSV')
    .option(
      '--sources <list>',
      'uncertainties to choose from: trace, inverse-norm, tokens-per-word',
      list(['trace', 'inverse-norm', 'tokens-per-word']),
    )
    .addOption(formatOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((members: string[], flags: Flags) =>
    calibrate(context, members, flags),
  )
}

async function calibrate({ signal }: Context, members: string[], flags: Flags): Promise<void> {
  const updates = members.length === 1 && isEnsemble(members[0]!)
  const output = flags.output ?? (updates ? members[0]! : undefined)
  if (output === undefined) throw new UsageError('-o says where the new ensemble goes')
  if (!flags.texts && !flags.pairs) throw new UsageError('give --texts, --pairs or both')

  const reporter = new Reporter({ quiet: flags.json === true })
  const texts = await collect(flags.texts, (sources) =>
    readTexts(sources, { signal, format: flags.format, skipBlank: true }),
  )
  const pairs: Pair[] | undefined = await collect(flags.pairs, (sources) =>
    readPairs(sources, { signal, format: flags.format }),
  )
  const { Ensemble } = await library()
  const encoders = updates ? [] : await loadMembers(members, flags)
  try {
    await using ensemble = updates
      ? await Ensemble.load(members[0]!, { encoder: encoderOptions(flags), signal })
      : await Ensemble.load(encoders, { signal })
    const calibration = await reporter.run('Calibrating', () =>
      ensemble.calibrate(
        { ...(texts && { texts: texts.map(({ text }) => text) }), ...(pairs && { pairs }) },
        { ...(flags.sources && { sources: flags.sources }), signal },
      ),
    )
    signal.throwIfAborted()
    await ensemble.save(output, { signal })
    report(ensemble, calibration, output, reporter, flags)
  } finally {
    for (const encoder of encoders) await encoder.dispose()
  }
}

function report(
  ensemble: Ensemble,
  calibration: Calibration | undefined,
  output: string,
  reporter: Reporter,
  flags: Flags,
): void {
  const { temperature, fingerprint, members } = ensemble
  if (flags.json) {
    const result = { ensemble: output, members: members.length, temperature, fingerprint, calibration }
    console.log(JSON.stringify({ ...result, seconds: reporter.seconds }))
    return
  }
  console.log(`${output}\n  members       ${members.length}\n  temperature   ${temperature.toPrecision(4)}`)
  if (!calibration) return
  console.log(calibrationLines(calibration).join('\n'))
}
