/** `uec index`: makes or updates an index file from texts. */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { GaussianIndex } from '../../index.ts'
import type { Context } from '../context.ts'
import { InputError } from '../exit.ts'
import type { Format } from '../input/rows.ts'
import { chunks, readTexts, type Text } from '../input/texts.ts'
import { library } from '../library.ts'
import { type Model, openModel } from '../model.ts'
import { addEncoderOptions, type EncoderFlags, encoderOptions, formatOption, jsonOption } from '../options.ts'
import { refuseOverwrite } from '../output/overwrite.ts'
import { type Phase, Reporter } from '../progress.ts'

interface Flags extends EncoderFlags {
  posterior?: string
  output: string
  fresh?: boolean
  prompt?: string
  format?: Format
  json?: boolean
}

const CHUNK = 1024

const EXAMPLES = `
Examples:
  $ uec index ensemble corpus.jsonl -o corpus.uec
  $ uec index ensemble new.jsonl -o corpus.uec            (adds; a known id is replaced)
  $ uec index models/student-l3-de -p de.safetensors texte.txt -o texte.uec --fresh

A text's id is its "id" in JSONL, and its line number otherwise. Blank lines are left out.`

export function indexCommand(context: Context): Command {
  const command = new Command('index')
    .description('embed texts and add them to an index file')
    .argument('<model>', 'directory or .onnx file of an encoder, or directory of an ensemble')
    .argument('<texts...>', 'texts as lines or JSONL; - is standard input')
    .requiredOption('-o, --output <file>', 'the index file, made or updated')
    .option('-p, --posterior <file>', 'posterior of a single encoder')
    .option('--fresh', 'start anew, even where the file exists')
    .option('--prompt <name>', "a prompt of the model, such as 'document'")
    .addOption(formatOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((model: string, texts: string[], flags: Flags) =>
    index(context, model, texts, flags),
  )
}

async function index({ signal }: Context, path: string, sources: string[], flags: Flags): Promise<void> {
  refuseOverwrite(flags.output, [path, flags.posterior, ...sources])
  const reporter = new Reporter({ quiet: flags.json === true })
  await using model = await openModel(path, { posterior: flags.posterior, encoder: encoderOptions(flags) })
  if (!model.fitted)
    reporter.line('Warning: the encoder is not fitted: every variance is zero, every score the cosine')
  using target = await openIndex(model, flags)
  const before = target.size
  const texts = readTexts(sources, { signal, format: flags.format, skipBlank: true })
  const count = await reporter.run(
    'Indexing',
    (phase) => fill(target, model, texts, { signal, phase, ...(flags.prompt && { prompt: flags.prompt }) }),
    (texts) => `${texts} texts`,
  )
  signal.throwIfAborted()
  await target.save(flags.output)
  const { size, bytes } = target
  const added = size - before
  const replaced = count - added
  if (flags.json) {
    const result = { index: flags.output, texts: count, replaced, size, bytes, seconds: reporter.seconds }
    console.log(JSON.stringify(result))
  } else {
    const change = before > 0 ? ` (${added} added, ${replaced} replaced)` : ''
    console.log(`${flags.output}: ${size} texts${change}, ${(bytes / 1e6).toFixed(1)} MB`)
  }
}

async function openIndex(model: Model, flags: Flags): Promise<GaussianIndex> {
  const { GaussianIndex } = await library()
  if (!flags.fresh && existsSync(flags.output)) return GaussianIndex.open(flags.output)
  const { dimension, fingerprint } = model
  return new GaussianIndex({ dimension, fingerprint })
}

async function fill(
  target: GaussianIndex,
  model: Model,
  texts: AsyncIterable<Text>,
  { phase, ...options }: { signal: AbortSignal; prompt?: string; phase: Phase },
): Promise<number> {
  const seen = new Set<string>()
  for await (const chunk of chunks(texts, CHUNK)) {
    for (const { id, where } of chunk) {
      if (seen.has(id)) throw new InputError(`${where}: the id '${id}' was given before`)
      seen.add(id)
    }
    const batch = await model.embed(
      chunk.map(({ text }) => text),
      options,
    )
    const invalid = batch.valid.indexOf(0)
    if (invalid >= 0)
      throw new InputError(`${chunk[invalid]!.where}: nothing in this text could be embedded; remove it`)
    await target.add(
      chunk.map(({ id }) => id),
      batch,
    )
    phase.update(seen.size)
  }
  return seen.size
}
