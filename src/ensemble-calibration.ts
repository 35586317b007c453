// What Ensemble.calibrate is given.
import { UNCERTAINTY_SOURCES, type UncertaintySource } from './coefficients.ts'
import { checkTexts } from './embed.ts'
import { invalid } from './errors.ts'
import { checkPair, type Pair } from './fit.ts'
import { checkOptions, describe, oneOf } from './options.ts'
import { checkSignal } from './signal.ts'
import type { CustomUncertainty } from './uncertainty.ts'

export interface CalibrationData {
  texts?: readonly string[]
  pairs?: readonly Pair[]
}

export interface CalibrationOptions<Source extends string = UncertaintySource> {
  /** Uncertainties to choose from, at most 6. Default all: the built-in ones and the ensemble's own. */
  sources?: readonly Source[]
  signal?: AbortSignal
}

export interface CalibrationWork {
  texts: readonly string[]
  pairs: readonly Pair[]
  sources: readonly string[]
  signal: AbortSignal | undefined
}

/** Checks what calibrate is given and copies it, because it is read over several turns. @internal */
export function checkCalibration(
  data: CalibrationData,
  options: CalibrationOptions<string>,
  custom: readonly CustomUncertainty[],
): CalibrationWork {
  const known = [...UNCERTAINTY_SOURCES, ...custom.map(({ name }) => name)]
  checkOptions('calibrate (data)', data, ['texts', 'pairs'])
  checkOptions('calibrate', options, ['sources', 'signal'])
  const { texts = [], pairs = [] } = data ?? {}
  const { sources = known } = options
  checkTexts(texts)
  if (!Array.isArray(pairs))
    throw invalid(`pairs must be an array of { query, positive }, not ${describe(pairs)}`)
  for (let i = 0; i < pairs.length; i++) checkPair(pairs[i], i)
  if (!Array.isArray(sources) || sources.length === 0)
    throw invalid(`sources must be an array of at least one of ${known.join(', ')}`)
  for (const [j, source] of sources.entries()) {
    oneOf(`sources[${j}]`, source, known)
    if (sources.indexOf(source) < j) throw invalid(`sources names '${source}' twice`)
  }
  if (texts.length + pairs.length === 0) throw invalid('calibrate needs texts or pairs')
  return {
    texts: texts.slice(),
    pairs: pairs.map(({ query, positive }) => ({ query, positive })),
    sources: [...sources],
    signal: checkSignal(options.signal),
  }
}
