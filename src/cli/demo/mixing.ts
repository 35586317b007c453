/** The temperature and the learned coefficients of the demonstration, from translation pairs (method §4). */

import type { Ensemble } from '../../index.ts'
import { library } from '../library.ts'
import { fingerprint } from './cache.ts'
import type { Expert, Work } from './experts.ts'
import type { Mixing } from './systems.ts'
import { type Corpus, translationPairs } from './texts.ts'

export interface Mixer {
  ensemble: Ensemble
  mixing: Mixing
  /** Changes with the experts and the calibration texts. */
  key: string
}

/** Calibrates an ensemble of the experts, or makes one with what an earlier run learned. It does not own the experts. */
export async function prepareMixer(
  experts: readonly Expert[],
  corpus: Corpus,
  positions: readonly number[],
  { cache, reporter, signal }: Work,
): Promise<Mixer> {
  const { Ensemble } = await library()
  const encoders = experts.map(({ encoder }) => encoder)
  const pairs = translationPairs(corpus, positions)
  const key = fingerprint(
    experts.map((expert) => expert.key),
    pairs,
  )
  const file = cache.path('calibration', key, 'json')
  const stored = await cache.readJson<Mixing>(file)
  if (stored) {
    const { temperature, calibration } = stored
    return {
      ensemble: await Ensemble.load(encoders, { temperature, coefficients: calibration }),
      mixing: stored,
      key,
    }
  }
  const ensemble = await Ensemble.load(encoders)
  const mixing = await reporter.run(
    `Calibrating on ${pairs.length} translation pairs`,
    async () => {
      const learn = (sources: readonly ('trace' | 'inverse-norm' | 'tokens-per-word')[]) =>
        ensemble.calibrate({ pairs }, { sources, signal })
      const certainty = await learn(['trace', 'inverse-norm'])
      const calibration = await learn(['trace', 'inverse-norm', 'tokens-per-word'])
      return { temperature: ensemble.temperature, calibration: calibration!, certainty: certainty! }
    },
    ({ temperature, calibration }) =>
      `temperature ${temperature.toPrecision(3)}, sources ${calibration.sources.join(' and ') || 'none'}`,
  )
  await cache.writeJson(file, mixing)
  return { ensemble, mixing, key }
}
