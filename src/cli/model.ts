/** One encoder or a whole ensemble behind the same calls, told apart by the ensemble.json in its directory. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { EncoderOptions, GaussianBatch } from '../index.ts'
import { UsageError } from './exit.ts'
import { library } from './library.ts'

export interface ModelBatch extends GaussianBatch {
  /** 0 where nothing could be embedded. */
  readonly valid: Uint8Array
  /** n×K, of an ensemble. */
  readonly coefficients?: Float32Array
}

export interface Model extends AsyncDisposable {
  readonly kind: 'encoder' | 'ensemble'
  readonly dimension: number
  /** Whether variances are available. */
  readonly fitted: boolean
  /** Kept by the indexes that it fills; rows and queries of another model are refused. */
  readonly fingerprint: string
  embed(texts: readonly string[], options: { prompt?: string; signal: AbortSignal }): Promise<ModelBatch>
}

export async function openModel(
  path: string,
  { posterior, encoder }: { posterior?: string | undefined; encoder: EncoderOptions },
): Promise<Model> {
  const { Encoder, Ensemble } = await library()
  if (isEnsemble(path)) {
    if (posterior !== undefined)
      throw new UsageError(`--posterior is for one encoder; the members of ${path} have theirs`)
    const ensemble = await Ensemble.load(path, { encoder })
    return {
      kind: 'ensemble',
      dimension: ensemble.dimension,
      fitted: true,
      fingerprint: ensemble.fingerprint,
      embed: (texts, options) => ensemble.embed(texts, options),
      [Symbol.asyncDispose]: () => ensemble.dispose(),
    }
  }
  const loaded = await Encoder.load(path, posterior === undefined ? encoder : { ...encoder, posterior })
  return {
    kind: 'encoder',
    dimension: loaded.dimension,
    fitted: loaded.fitted,
    fingerprint: loaded.identity,
    embed: (texts, options) => loaded.embed(texts, options),
    [Symbol.asyncDispose]: () => loaded.dispose(),
  }
}

export function isEnsemble(path: string): boolean {
  return existsSync(join(path, 'ensemble.json'))
}
