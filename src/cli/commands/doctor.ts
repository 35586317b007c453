/** `uec doctor`: what this installation consists of, what is wrong with it, and what helps. */
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Context } from '../context.ts'
import { EXPERTS } from '../demo/models.ts'
import { codeOf, describe, EXIT_FAILURE } from '../exit.ts'
import { library } from '../library.ts'
import { addEncoderOptions, type EncoderFlags, encoderOptions, jsonOption } from '../options.ts'
import { packageManifest, packageRoot } from '../package.ts'

interface Flags extends EncoderFlags {
  model?: string
  models: string
  json?: boolean
}

interface Problem {
  what: string
  remedy: string
}

interface Diagnosis {
  version: string
  node: string
  platform: string
  native: boolean
  simd: readonly string[]
  threads: number
  runtime?: string
  /** The encoder that the ONNX Runtime was tried with. */
  tried?: string
  models: { path: string; found: boolean }[]
  encoder?: { path: string; dimension: number; device: string; runtime: string; milliseconds: number }
  problems: Problem[]
  /** What is missing and need not be there. */
  notes: string[]
}

const EXAMPLES = `
Examples:
  $ uec doctor
  $ uec doctor --model my-encoder      (tries this encoder)
  $ uec doctor --json

The exit code is 1 where something is wrong.`

export function doctorCommand(context: Context): Command {
  const command = new Command('doctor')
    .description('say what is installed and used, and what is wrong')
    .option('--model <path>', 'an encoder to try; the first default one found unless given')
    .option('--models <directory>', 'where the default encoders are', join(packageRoot, 'models'))
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
  return addEncoderOptions(command).action((flags: Flags) => doctor(context, flags))
}

async function doctor({ signal }: Context, flags: Flags): Promise<void> {
  const diagnosis = await examine(flags)
  signal.throwIfAborted()
  console.log(flags.json ? JSON.stringify(diagnosis) : render(diagnosis))
  if (diagnosis.problems.length > 0) process.exitCode = EXIT_FAILURE
}

async function examine(flags: Flags): Promise<Diagnosis> {
  const problems: Problem[] = []
  const notes: string[] = []
  const manifest = packageManifest()
  if (!supportsNode(process.versions.node))
    problems.push({
      what: `Node ${process.versions.node} is not supported (${manifest.engines.node})`,
      remedy: 'install a newer Node from https://nodejs.org',
    })
  const { capabilities, Encoder } = await library()
  const { version, native, simd, threads } = capabilities()
  if (version !== manifest.version)
    problems.push({
      what: `the binary is of version ${version}, the package of ${manifest.version}`,
      remedy: 'install the package anew, or run `npm run build` in a clone',
    })
  if (!native)
    problems.push({
      what: `no binary for ${process.platform}-${process.arch}: encoders do not run, search is slow`,
      remedy: 'reinstall with optional dependencies, or run `npm run build` in a clone (needs Rust)',
    })

  const models = EXPERTS.map(({ model }) => {
    const path = join(flags.models, model)
    return { path, found: isModel(path) }
  })
  const clone = existsSync(join(packageRoot, 'crates'))
  const missing = models.filter(({ found }) => !found)
  if (clone)
    for (const { path } of missing)
      problems.push({
        what: `the default encoder ${path} is missing or not whole`,
        remedy: 'it comes with a clone of the repository; say where they are with --models',
      })
  else if (missing.length > 0)
    notes.push('the encoders of the demonstration come only with a clone of the repository')

  const candidate = flags.model ?? models.find(({ found }) => found)?.path
  const tried = native ? candidate : undefined
  const encoder = tried !== undefined ? await tryEncoder(tried) : undefined
  const { runtime } = capabilities()
  if (candidate === undefined)
    notes.push('no encoder was found to try the ONNX Runtime with; give one with --model')
  return {
    version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    native,
    simd,
    threads,
    ...(runtime !== undefined && { runtime }),
    ...(tried !== undefined && { tried }),
    models,
    ...(encoder && { encoder }),
    problems,
    notes,
  }

  async function tryEncoder(path: string): Promise<Diagnosis['encoder']> {
    try {
      const start = performance.now()
      const encoder = await Encoder.load(path, encoderOptions(flags))
      try {
        await encoder.embed(['uec doctor'])
        const { dimension, device, runtime } = encoder.info
        return { path: resolve(path), dimension, device, runtime, milliseconds: performance.now() - start }
      } finally {
        await encoder.dispose()
      }
    } catch (error) {
      const what = codeOf(error)?.startsWith('ERR_RUNTIME_')
        ? 'the ONNX Runtime does not load'
        : `the encoder ${path} does not run`
      problems.push({ what: `${what}: ${describe(error)}`, remedy: remedyOf(error) })
      return undefined
    }
  }
}

/** ^20.19 || >=22.12, as package.json says. */
export function supportsNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
}

function isModel(path: string): boolean {
  const file = join(path, 'onnx', 'model.onnx')
  // A Git LFS pointer, or what is left of a broken download, is far smaller than a model.
  return existsSync(file) && statSync(file).size > 100_000 && existsSync(join(path, 'tokenizer.json'))
}

function remedyOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ERR_RUNTIME_NOT_FOUND':
      return 'install it with `npm install onnxruntime-node`, or say where the library is with --runtime'
    case 'ERR_RUNTIME_VERSION':
      return 'update it with `npm install onnxruntime-node@latest`, or name a newer library with --runtime'
    case 'ERR_DEVICE_UNAVAILABLE':
      return 'leave --device out to run on the CPU'
    case 'ERR_MODEL_NOT_FOUND':
    case 'ERR_FILE_NOT_FOUND':
      return 'check the path given with --model'
    default:
      return 'try another encoder with --model; if that works, this one is at fault'
  }
}

function render({ models, encoder, problems, notes, tried, ...facts }: Diagnosis): string {
  const rows: [string, string][] = [
    ['uec', `${facts.version}, ${facts.native ? 'native' : 'plain TypeScript'}`],
    ['Node', `${facts.node}, ${facts.platform}`],
    ['CPU features', facts.simd.join(', ') || 'none used'],
    ['threads', String(facts.threads)],
    ['runtime', encoder?.runtime ?? facts.runtime ?? `ONNX Runtime: not ${tried ? 'loaded' : 'tried'}`],
    ...models.map(({ path, found }): [string, string] => ['model', `${path}${found ? '' : '  MISSING'}`]),
  ]
  if (encoder) {
    const time = `${encoder.milliseconds.toFixed(0)} ms to load and embed`
    rows.push(['tried', `${encoder.path}: ${encoder.dimension} dimensions, ${encoder.device}, ${time}`])
  }
  const lines = rows.map(([name, value]) => `${name.padEnd(14)}${value}`)
  if (notes.length > 0) lines.push('', ...notes.map((note) => `Note: ${note}.`))
  if (problems.length === 0) return [...lines, '', 'No problem was found.'].join('\n')
  return [...lines, '', ...problems.map(({ what, remedy }) => `Wrong: ${what}.\n  → ${remedy}.`)].join('\n')
}
