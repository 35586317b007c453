/** `uec fit`: a posterior over the last layer of an encoder, from texts or pairs (method §2). */
import { rm } from 'node:fs/promises'
import { Command, Option } from 'commander'
import type { FitOptions } from '../../index.ts'
import type { Context } from '../context.ts'
import type { Format } from '../input/rows.ts'
import { countItems, readPairsOrTexts } from '../input/texts.ts'
import { library } from '../library.ts'
import {
  addEncoderOptions,
  defined,
  type EncoderFlags,
  encoderOptions,
  formatOption,
  integer,
  jsonOption,
  notNegative,
  number,
  positive,
  wordOr,
} from '../options.ts'
import { refuseOverwrite } from '../output/overwrite.ts'
import { describePosterior, fieldsOf } from '../output/posterior.ts'
import { Reporter } from '../progress.ts'

type Flags = EncoderFlags &
  Omit<FitOptions, 'signal' | 'onProgress'> & {
    output: string
    format?: Format
    json?: boolean
  }

const EXAMPLES = `
Examples:
  $ uec fit models/student-l3-de texte.txt -o de.safetensors
  $ uec fit intfloat-e5 pairs.csv -o e5.safetensors --prior-precision marglik
  $ uec fit intfloat-e5 pairs.csv -o e5.safetensors --checkpoint e5.checkpoint   # again, to go on after a break
  $ cat pairs.jsonl | uec fit model - --format jsonl -o posterior.safetensors

Inputs: plain texts as lines or JSONL ({"text": …}), or pairs as JSONL ({"query": …, "positive": …, "negatives": […]}),
CSV or TSV with the columns query, positive and, if there are any, negative1, negative2, …
A text is paired with itself: two copies with words dropped at random.`

export function fitCommand(context: Context): Command {
  const command = new Command('fit')
    .description('fit a posterior over the last layer of an encoder, from texts or pairs')
    .argument('<model>', 'directory or .onnx file of the encoder')
    .argument('<input...>', 'files of texts or pairs; - is standard input')
    .requiredOption('-o, --output <file>', 'where the posterior goes (safetensors)')
    .addOption(formatOption())
    .addOption(new Option('--curvature <kind>', 'estimator').choices(['ef', 'ggn']))
    .addOption(new Option('--sides <sides>', 'which side gradients run through').choices(['both', 'query']))
    .addOption(new Option('--similarity <kind>', 'of the contrastive loss').choices(['cosine', 'dot']))
    .option('--temperature <tau>', 'of the contrastive loss (0.05)', positive)
    .option('--batch-size <pairs>', 'pairs in a contrastive batch (32)', integer(2))
    .option(
      '--prior-precision <lambda>',
      "a number, 'relative' (default) or 'marglik'",
      wordOr(['relative', 'marglik'], positive),
    )
    .option('--laplace-temperature <t>', 'tempers the curvature (1)', positive)
    .addOption(new Option('--tail <kind>', 'formula of the variance').choices(['plain', 'first-order']))
    .option(
      '--word-dropout <share>',
      'of the words of a plain text (0.3)',
      number((x) => x >= 0 && x < 1, 'a number in [0, 1)'),
    )
    .option('--seed <n>', 'of the word dropout (0)', integer(0))
    .option('--scale <c>', "a number, 'trace' (default) or 'none'", wordOr(['trace', 'none'], positive))
    .option('--checkpoint <file>', 'save the fit there while it runs, and go on from it where it exists')
    .option('--checkpoint-seconds <s>', 'between two saves (30); 0 saves after every batch', notNegative)
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, input: string[], flags: Flags) =>
    runFit(context, model, input, flags),
  )
}

async function runFit({ signal }: Context, model: string, input: string[], flags: Flags): Promise<void> {
  const { output, checkpoint, format } = flags
  refuseOverwrite(output, [model, checkpoint, ...input])
  if (checkpoint !== undefined) refuseOverwrite(checkpoint, [model, ...input], '--checkpoint')
  const { Encoder } = await library()
  const reporter = new Reporter({ quiet: flags.json === true })
  await using encoder = await Encoder.load(model, encoderOptions(flags))
  const posterior = await reporter.run(
    `Fitting ${model}`,
    async (phase) => {
      const total = await countItems(input, { signal, format })
      return encoder.fit(readPairsOrTexts(input, { signal, format }), {
        ...fitOptions(flags),
        signal,
        onProgress: (progress) => {
          if (progress.phase === 'resume')
            reporter.line(`Going on at pair ${progress.done}, from ${checkpoint}`)
          phase.update(progress.done, total)
        },
      })
    },
    ({ pairs }) => `${pairs} pairs`,
    'pairs',
  )
  signal.throwIfAborted()
  await posterior.save(output)
  if (checkpoint !== undefined) await rm(checkpoint, { force: true })
  if (flags.json)
    console.log(JSON.stringify({ posterior: output, ...fieldsOf(posterior), seconds: reporter.seconds }))
  else console.log(describePosterior(output, posterior, reporter))
}

function fitOptions(flags: Flags): FitOptions {
  const { curvature, sides, similarity, temperature, batchSize, priorPrecision } = flags
  const { laplaceTemperature, tail, wordDropout, seed, scale, checkpoint, checkpointSeconds } = flags
  return defined({
    curvature,
    sides,
    similarity,
    temperature,
    batchSize,
    priorPrecision,
    laplaceTemperature,
    tail,
    wordDropout,
    seed,
    scale,
    checkpoint,
    checkpointSeconds,
  }) as FitOptions
}
