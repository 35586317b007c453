/** `uec bake`: an ordinary .onnx that gives mean and variance (method §3). */
import { stat } from 'node:fs/promises'
import { Command, Option } from 'commander'
import type { Context } from '../context.ts'
import { library } from '../library.ts'
import { addEncoderOptions, defined, type EncoderFlags, encoderOptions, jsonOption } from '../options.ts'
import { refuseOverwrite } from '../output/overwrite.ts'
import { Reporter } from '../progress.ts'

interface Flags extends EncoderFlags {
  posterior: string
  output: string
  weights?: 'float32' | 'float16'
  json?: boolean
}

const EXAMPLES = `
Examples:
  $ uec bake models/student-l3-de --posterior de.safetensors -o de.onnx
  $ uec bake models/student-l3-de --onnx onnx/model_quantized.onnx --fitted-on original --weights float16 \\
      --posterior de.safetensors -o de-int8.onnx

The file has the outputs of the original, and mean, variance and norm. Every ONNX Runtime runs it.`

export function bakeCommand(context: Context): Command {
  const command = new Command('bake')
    .description('write an encoder with its posterior as an ordinary .onnx file')
    .argument('<model>', 'directory or .onnx file of the encoder')
    .requiredOption('-p, --posterior <file>', 'a posterior of this encoder, from `uec fit`')
    .requiredOption('-o, --output <file>', 'where the .onnx file goes')
    .addOption(
      new Option('--weights <type>', 'how the posterior is stored; float32 unless given').choices([
        'float32',
        'float16',
      ]),
    )
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, flags: Flags) => bake(context, model, flags))
}

async function bake({ signal }: Context, model: string, flags: Flags): Promise<void> {
  refuseOverwrite(flags.output, [flags.posterior])
  const { Encoder, Posterior } = await library()
  const reporter = new Reporter({ quiet: flags.json === true })
  const posterior = await Posterior.load(flags.posterior)
  await using encoder = await Encoder.load(model, { ...encoderOptions(flags), posterior })
  signal.throwIfAborted()
  await reporter.run(`Baking ${model}`, () =>
    encoder.bake(flags.output, undefined, defined({ weights: flags.weights })),
  )
  const { size } = await stat(flags.output)
  if (flags.json) console.log(JSON.stringify({ file: flags.output, bytes: size, seconds: reporter.seconds }))
  else console.log(`${flags.output}: ${(size / 1e6).toFixed(1)} MB`)
  reporter.line(
    "Put the model's tokenizer.json beside it to load it with uec; other runtimes need the tokens as input.",
  )
}
