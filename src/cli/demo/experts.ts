/** The three encoders of the demonstration: fitting each on its own language, and embedding with it. */
import { join } from 'node:path'
import { Encoder, GaussianBatch, Posterior } from '../../index.ts'
import { readFloats, writeSafetensors } from '../output/safetensors.ts'
import type { Reporter } from '../progress.ts'
import { type Cache, fingerprint, fingerprintFolder, fingerprintProgram } from './cache.ts'
import type { Language } from './texts.ts'

export interface Expert {
  language: Language
  /** Directory of the model. */
  path: string
  posterior: string
  /** Changes with the model, the program and the texts it was fitted on. */
  key: string
  encoder: Encoder
  /** What the fit found; undefined where it is of an earlier run. */
  fitted: { pairs: number; accuracy: number; priorPrecision: number; warnings: readonly string[] }
}

/** What one expert says of many texts. */
export interface View {
  gaussians: GaussianBatch
  /** ‖z‖, length n. */
  norms: Float32Array
  /** Length n. */
  tokensPerWord: Float32Array
}

/** What every step of the demonstration is given. */
export interface Work {
  cache: Cache
  reporter: Reporter
  signal: AbortSignal
}

/** Fits an expert on texts of its language, or takes the posterior of an earlier run, and loads it. */
export async function prepareExpert(
  { language, model }: { language: Language; model: string },
  models: string,
  texts: readonly string[],
  { cache, reporter, signal }: Work,
): Promise<Expert> {
  const path = join(models, model)
  const key = fingerprint(fingerprintFolder(path), fingerprintProgram(), texts)
  const posterior = cache.path(`posterior-${language}`, key, 'safetensors')
  if (!cache.has(posterior)) {
    await using encoder = await Encoder.load(path)
    await reporter.run(
      `Fitting the ${language} expert on ${texts.length} sentences`,
      async (phase) => {
        const fitted = await encoder.fit(texts, {
          signal,
          onProgress: ({ done, total }) => phase.update(done, total),
        })
        await fitted.save(posterior)
        return fitted
      },
      ({ accuracy, loss }) => `loss ${loss.toFixed(2)}, accuracy ${accuracy.toFixed(3)}`,
    )
  }
  signal.throwIfAborted()
  const { pairs, accuracy, priorPrecision, warnings } = await Posterior.load(posterior)
  for (const warning of warnings) reporter.line(`Warning (${language}): ${warning}`)
  const encoder = await Encoder.load(path, { posterior })
  return { language, path, posterior, key, encoder, fitted: { pairs, accuracy, priorPrecision, warnings } }
}

/** Embeds texts with an expert, once: later runs read the file. */
export async function viewOf(
  { language, key, encoder }: Expert,
  texts: readonly string[],
  { cache, reporter, signal }: Work,
): Promise<View> {
  const file = cache.path(`embeddings-${language}`, fingerprint(key, texts), 'safetensors')
  const stored = cache.has(file) ? await readFloats(file) : undefined
  if (stored) {
    const { mean, variance, norms, tokensPerWord } = stored
    if (mean && variance && norms && tokensPerWord)
      return {
        gaussians: new GaussianBatch({
          mean: mean.values,
          variance: variance.values,
          dimension: mean.shape[1]!,
        }),
        norms: norms.values,
        tokensPerWord: tokensPerWord.values,
      }
  }
  return reporter.run(`Embedding ${texts.length} texts with the ${language} expert`, async (phase) => {
    const batch = await encoder.embed(texts, {
      signal,
      onProgress: ({ done, total }) => phase.update(done, total),
    })
    const { length, dimension, mean, variance, norms, tokensPerWord } = batch
    await writeSafetensors(file, length, {
      mean: { values: mean, shape: [dimension] },
      variance: { values: variance, shape: [dimension] },
      norms: { values: norms, shape: [] },
      tokensPerWord: { values: tokensPerWord, shape: [] },
    })
    return { gaussians: new GaussianBatch({ mean, variance, dimension }), norms, tokensPerWord }
  })
}
