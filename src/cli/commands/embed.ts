/** `uec embed`: Gaussians of texts, into a file (method §3, §5). */
import { Command } from 'commander'
import type { Context } from '../context.ts'
import type { Format } from '../input/rows.ts'
import { chunks, readTexts } from '../input/texts.ts'
import { openModel } from '../model.ts'
import { addEncoderOptions, type EncoderFlags, encoderOptions, formatOption, jsonOption } from '../options.ts'
import { openSink } from '../output/embeddings.ts'
import { refuseOverwrite } from '../output/overwrite.ts'
import { Reporter } from '../progress.ts'

interface Flags extends EncoderFlags {
  posterior?: string
  output: string
  prompt?: string
  format?: Format
  json?: boolean
}

/** Texts a call: enough to sort by length and fill batches, little memory. */
const CHUNK = 1024

const EXAMPLES = `
Examples:
  $ uec embed ensemble corpus.txt -o corpus.safetensors
  $ uec embed models/student-l3-de --posterior de.safetensors texte.jsonl -o texte.jsonl
  $ echo "a question" | uec embed ensemble - -o - | jq .variance

Tensors: mean and variance (n×D), valid (n; 0 where a text could not be embedded), coefficients (n×K, of an ensemble).
Row i is line i of the input. JSONL also says the id of each row.`

export function embedCommand(context: Context): Command {
  const command = new Command('embed')
    .description('embed texts as Gaussians, into safetensors or JSONL')
    .argument('<model>', 'directory or .onnx file of an encoder, or directory of an ensemble')
    .argument('<texts...>', 'texts as lines or JSONL; - is standard input')
    .requiredOption('-o, --output <file>', '.safetensors or .jsonl; - is JSONL on standard output')
    .option('-p, --posterior <file>', 'posterior of a single encoder')
    .option('--prompt <name>', "a prompt of the model, such as 'query' or 'document'")
    .addOption(formatOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, texts: string[], flags: Flags) =>
    embed(context, model, texts, flags),
  )
}

async function embed({ signal }: Context, path: string, sources: string[], flags: Flags): Promise<void> {
  refuseOverwrite(flags.output, [path, flags.posterior, ...sources])
  const reporter = new Reporter({ quiet: flags.json === true })
  await using sink = await openSink(flags.output)
  await using model = await openModel(path, { posterior: flags.posterior, encoder: encoderOptions(flags) })
  if (!model.fitted) reporter.line('Warning: the encoder is not fitted, so every variance is zero')
  const options = { signal, ...(flags.prompt && { prompt: flags.prompt }) }
  let done = 0
  let invalid = 0
  await reporter.run(
    'Embedding',
    async (phase) => {
      for await (const chunk of chunks(readTexts(sources, { signal, format: flags.format }), CHUNK)) {
        const batch = await model.embed(
          chunk.map(({ text }) => text),
          options,
        )
        await sink.append(
          chunk.map(({ id }) => id),
          batch,
        )
        done += batch.length
        invalid += batch.valid.filter((valid) => valid === 0).length
        phase.update(done)
      }
    },
    () => `${done} texts`,
  )
  signal.throwIfAborted()
  await sink.finish({ model: path, fingerprint: model.fingerprint })
  if (invalid > 0)
    reporter.line(`Warning: ${invalid} texts could not be embedded; their rows are zero and not valid`)
  if (flags.json && flags.output !== '-')
    console.log(JSON.stringify({ file: flags.output, texts: done, invalid, seconds: reporter.seconds }))
}
