/** `uec fit`: a posterior over the last layer of an encoder, from texts or pairs (method §2). */
import { Command, Option } from 'commander'
import type { FitOptions, Posterior } from '../../index.ts'
import type { Context } from '../context.ts'
import type { Format } from '../input/rows.ts'
import { readPairsOrTexts } from '../input/texts.ts'
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
import { Reporter } from '../progress.ts'

type Flags = EncoderFlags &
  Omit<FitOptions, 'checkpoint' | 'signal' | 'onProgress'> & {
    output: string
    format?: Format
    json?: boolean
  }

const EXAMPLES = `
Examples:
  $ uec fit models/student-l3-de texte.txt -o de.safetensors
  $ uec fit intfloat-e5 pairs.csv -o e5.safetensors --prior-precision marglik
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
    .option('--scale <c>', "a number, 'trace' (default) or 'none'", wordOr(['trace', 'none'], notNegative))
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, input: string[], flags: Flags) =>
    runFit(context, model, input, flags),
  )
}

async function runFit({ signal }: Context, model: string, input: string[], flags: Flags): Promise<void> {
  refuseOverwrite(flags.output, [model, ...input])
  const { Encoder } = await library()
  const reporter = new Reporter({ quiet: flags.json === true })
  await using encoder = await Encoder.load(model, encoderOptions(flags))
  const posterior = await reporter.run(`Fitting ${model}`, (phase) =>
    encoder.fit(readPairsOrTexts(input, { signal, format: flags.format }), {
      ...fitOptions(flags),
      signal,
      onProgress: ({ done, total }) => phase.update(done, total),
    }),
  )
  signal.throwIfAborted()
  await posterior.save(flags.output)
  report(posterior, reporter, flags)
}

function fitOptions(flags: Flags): FitOptions {
  const { curvature, sides, similarity, temperature, batchSize, priorPrecision } = flags
  const { laplaceTemperature, tail, wordDropout, seed, scale } = flags
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
  }) as FitOptions
}

function report(posterior: Posterior, reporter: Reporter, flags: Flags): void {
  const { pairs, loss, accuracy, priorPrecision, effectiveParameters, logMarginalLikelihood } = posterior
  const { scale, dimension, features, warnings } = posterior
  if (flags.json) {
    const result = {
      posterior: flags.output,
      pairs,
      loss,
      accuracy,
      priorPrecision,
      effectiveParameters,
      logMarginalLikelihood,
      scale,
      dimension,
      features,
      warnings,
      seconds: reporter.seconds,
    }
    console.log(JSON.stringify(result))
    return
  }
  for (const warning of warnings) reporter.line(`Warning: ${warning}`)
  const share = (100 * effectiveParameters) / (dimension * features)
  console.log(
    [
      `${flags.output}`,
      `  pairs                  ${pairs}, mean loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(3)}`,
      `  prior precision        ${priorPrecision.toExponential(3)}`,
      `  effective parameters   ${effectiveParameters.toFixed(0)} of ${dimension * features} (${share.toFixed(1)} %)`,
      `  variance scale         ${scale.toExponential(3)}`,
    ].join('\n'),
  )
}
