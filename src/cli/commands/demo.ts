/** `uec demo`: the main job on the embedded encoders, with a comparison. */
import { join, relative } from 'node:path'
import { Command } from 'commander'
import type { Context } from '../context.ts'
import { introduction, report } from '../demo/report.ts'
import { readCorpus, split } from '../demo/texts.ts'
import { jsonOption } from '../options.ts'
import { packageRoot } from '../package.ts'
import { Reporter } from '../progress.ts'

interface Flags {
  models: string
  cache: string
  fresh: boolean
  json: boolean
}

const EXAMPLES = `
Examples:
  $ uec demo
  $ uec demo --fresh              (computes everything again)
  $ uec demo --json > demo.json   (the result as one JSON object)`

export function demoCommand(context: Context): Command {
  return new Command('demo')
    .description(
      'fit, calibrate, mix and search with three small encoders, and compare with the alternatives',
    )
    .option('--models <directory>', 'where the encoders and texts are', join(packageRoot, 'models'))
    .option('--cache <directory>', 'where results are kept for the next run', join('.uec', 'demo'))
    .option('--fresh', 'forget what earlier runs made', false)
    .addOption(jsonOption().default(false))
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => demo(context, flags))
}

async function demo({ signal }: Context, { models, cache, fresh, json }: Flags): Promise<void> {
  const corpus = readCorpus(join(models, 'texts', 'ntrex'))
  const parts = split(corpus.documents)
  if (!json) console.log(introduction(corpus, parts))
  const reporter = new Reporter({ quiet: json })
  const { runDemo } = await import('../demo/run.ts')
  const result = await runDemo(corpus, parts, { models, cache, fresh, reporter, signal })
  console.log(json ? JSON.stringify(result) : report(result, commandName()))
}

/** How this program was called, for a line to copy. */
function commandName(): string {
  const script = process.argv[1] ?? ''
  return script.endsWith('main.js') ? `node ${relative('', script)}` : 'uec'
}
