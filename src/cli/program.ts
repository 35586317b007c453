/** All commands of `uec`, one file each under `commands/`. */
import { Command } from 'commander'
import { bakeCommand } from './commands/bake.ts'
import { calibrateCommand } from './commands/calibrate.ts'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { embedCommand } from './commands/embed.ts'
import { ensembleCommand } from './commands/ensemble.ts'
import { fitCommand } from './commands/fit.ts'
import { indexCommand } from './commands/index.ts'
import { posteriorCommand } from './commands/posterior.ts'
import { searchCommand } from './commands/search.ts'
import type { Context } from './context.ts'
import { packageManifest } from './package.ts'

/** A program that throws CommanderError where commander would end the process. */
export function createProgram(context: Context): Command {
  const program = new Command('uec')
    .description('Uncertainty-aware text embeddings: fit, mix and search ONNX text encoders as Gaussians.')
    .version(packageManifest().version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .exitOverride()
    .showHelpAfterError('(see `uec --help`)')
    .addHelpText(
      'after',
      '\nStart here:\n  $ uec demo      the whole way on three small encoders, with a comparison',
    )
  for (const command of [
    demoCommand,
    fitCommand,
    posteriorCommand,
    calibrateCommand,
    ensembleCommand,
    bakeCommand,
    embedCommand,
    indexCommand,
    searchCommand,
    doctorCommand,
  ]) {
    const built = command(context)
    finish(built, `uec ${built.name()}`)
    program.addCommand(built)
  }
  return program
}

/** What every command, and every part of one, has alike. */
function finish(command: Command, name: string): void {
  command.helpOption('-h, --help', 'print help').exitOverride().showHelpAfterError(`(see \`${name} --help\`)`)
  for (const part of command.commands) finish(part, `${name} ${part.name()}`)
}
