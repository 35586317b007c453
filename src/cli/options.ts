/** Parsers of option values, and the options that several commands share. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EncoderOptions } from '../index.ts'

/** An integer >= `least`. */
export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be an integer >= ${least}.`)
    return value
  }
}

/** A finite number in the range that `allowed` describes. */
export function number(
  allowed: (value: number) => boolean = () => true,
  range = 'a number',
): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || !allowed(value))
      throw new InvalidArgumentError(`It must be ${range}.`)
    return value
  }
}

export const positive = number((value) => value > 0, 'a number > 0')
export const notNegative = number((value) => value >= 0, 'a number >= 0')

/** One of `words`, or what `parse` accepts. */
export function wordOr<Word extends string>(
  words: readonly Word[],
  parse: (text: string) => number,
): (text: string) => Word | number {
  return (text) => {
    const word = words.find((candidate) => candidate === text)
    if (word !== undefined) return word
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error
      throw new InvalidArgumentError(`It must be ${words.map((w) => `'${w}'`).join(' or ')}, or a number.`)
    }
  }
}

/** A list of words, separated by commas. */
export function list<Word extends string>(words: readonly Word[]): (text: string) => Word[] {
  return (text) =>
    text.split(',').map((part) => {
      const word = words.find((candidate) => candidate === part.trim())
      if (word === undefined)
        throw new InvalidArgumentError(`'${part}' is unknown; allowed are ${words.join(', ')}.`)
      return word
    })
}

/** The same object without its undefined entries. */
export function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

export const jsonOption = () => new Option('--json', 'print one machine-readable result')
export const formatOption = () =>
  new Option(
    '--format <format>',
    'format of the input; by its name unless given, lines for standard input',
  ).choices(['lines', 'jsonl', 'csv', 'tsv'])

/** Options of loading an encoder, as commander names them. */
export interface EncoderFlags {
  pooling?: 'mean' | 'cls' | 'last'
  normalize: boolean
  dimensions?: number
  fittedOn?: 'this' | 'original'
  maxTokens?: number
  onnx?: string
  threads?: number
  device?: 'cpu' | 'cuda'
  runtime?: string
}

export function addEncoderOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--pooling <kind>', 'how tokens are pooled; what the model says unless given').choices([
        'mean',
        'cls',
        'last',
      ]),
    )
    .option('--no-normalize', 'do not normalise embeddings to unit length')
    .option('--dimensions <n>', 'keep the first so many entries of an embedding (Matryoshka)', integer(1))
    .addOption(
      new Option(
        '--fitted-on <encoder>',
        'which encoder the posterior was fitted on: this one, or the original of this quantised copy',
      ).choices(['this', 'original']),
    )
    .option('--max-tokens <n>', 'truncate texts after so many tokens', integer(1))
    .option('--onnx <name>', 'which .onnx file inside the directory')
    .option('--threads <n>', 'compute threads of an encoder', integer(1))
    .addOption(new Option('--device <device>', 'where encoders run').choices(['cpu', 'cuda']))
    .option('--runtime <path>', 'path of the ONNX Runtime library')
}

export function encoderOptions(flags: EncoderFlags): EncoderOptions {
  const { pooling, dimensions, fittedOn, maxTokens, onnx, threads, device, runtime } = flags
  return defined({
    pooling,
    normalize: flags.normalize ? undefined : false,
    dimensions,
    fittedOn,
    maxTokens,
    file: onnx,
    threads,
    device,
    runtime,
  }) as EncoderOptions
}
