/** Where embeddings go: a safetensors file, a JSONL file, or JSONL on standard output. */
import { once } from 'node:events'
import { UsageError } from '../exit.ts'
import type { ModelBatch } from '../model.ts'
import { AtomicFile } from './atomic.ts'
import { SafetensorsWriter } from './safetensors.ts'

export interface EmbeddingsSink extends AsyncDisposable {
  append(ids: readonly string[], batch: ModelBatch): Promise<void>
  /** Puts the file in its place. */
  finish(metadata: Readonly<Record<string, string>>): Promise<void>
  /** Removes what is not finished. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A sink for `path`, by its ending; `-` is JSONL on standard output. */
export function openSink(path: string): Promise<EmbeddingsSink> {
  if (path === '-') return Promise.resolve(standardOutput())
  if (path.endsWith('.safetensors')) return safetensors(path)
  if (path.endsWith('.jsonl')) return jsonl(path)
  throw new UsageError(`-o ${path}: the name must end in .safetensors or .jsonl, or be -`)
}

async function safetensors(path: string): Promise<EmbeddingsSink> {
  const writer = await SafetensorsWriter.create(path)
  return {
    append: (_, { length, dimension, mean, variance, valid, coefficients }) =>
      writer.append(length, {
        mean: { values: mean, shape: [dimension] },
        variance: { values: variance, shape: [dimension] },
        valid: { values: valid, shape: [] },
        ...(coefficients && {
          coefficients: { values: coefficients, shape: [coefficients.length / length] },
        }),
      }),
    finish: (metadata) => writer.finish(metadata),
    [Symbol.asyncDispose]: () => writer.dispose(),
  }
}

async function jsonl(path: string): Promise<EmbeddingsSink> {
  const file = await AtomicFile.create(path)
  return {
    append: async (ids, batch) => {
      await file.handle.writeFile(jsonLines(ids, batch))
    },
    finish: () => file.commit(),
    [Symbol.asyncDispose]: () => file.discard(),
  }
}

function standardOutput(): EmbeddingsSink {
  return {
    append: async (ids, batch) => {
      if (!process.stdout.write(jsonLines(ids, batch))) await once(process.stdout, 'drain')
    },
    finish: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** One object a row, each number with the nine digits that give the same float32 again. */
export function jsonLines(ids: readonly string[], batch: ModelBatch): string {
  const { mean, variance, valid, coefficients, dimension, length } = batch
  const weights = coefficients ? coefficients.length / Math.max(1, length) : 0
  const row = (values: Float32Array, width: number, i: number) =>
    Array.from(values.subarray(i * width, (i + 1) * width), (value) => Number(value.toPrecision(9)))
  return ids
    .map((id, i) => {
      const entry = {
        id,
        valid: valid[i] === 1,
        mean: row(mean, dimension, i),
        variance: row(variance, dimension, i),
        ...(coefficients && { coefficients: row(coefficients, weights, i) }),
      }
      return `${JSON.stringify(entry)}\n`
    })
    .join('')
}
