/**
 * The systems that the demonstration compares: the same three views of every text, mixed and scored in different ways.
 *
 *     π_k by rule (method §4)   N(μ, v) = convolution (§5)   score: cosine, or ŝ with the variance (§6)
 */
import {
  type Calibration,
  convolve,
  GaussianBatch,
  type Score,
  type UncertaintySource,
  uncertainties,
} from '../../index.ts'
import type { View } from './experts.ts'
import { LANGUAGES, type Language } from './texts.ts'

export interface System {
  name: string
  /** Chosen or made with knowledge that no user has; shown apart. */
  reference?: boolean
  score: Score
  gaussians: GaussianBatch
}

export interface Mixing {
  /** T of the softmax over traces, from the calibration texts. */
  temperature: number
  /** Learned with all sources. */
  calibration: Calibration
  /** Learned without tokens per word, which tells languages apart rather than certainty. */
  certainty: Calibration
}

/** All systems over texts whose languages are `languages`, except 'best single', which needs their results. */
export async function buildSystems(
  views: readonly View[],
  { temperature, calibration, certainty }: Mixing,
  languages: readonly Language[],
  signal: AbortSignal,
): Promise<System[]> {
  const members = views.map(({ gaussians }) => gaussians)
  const mix = async (options: Parameters<typeof convolve>[1]) =>
    (await convolve(members, { ...options, signal })).gaussians
  const uniform = await mix({ coefficients: 'uniform' })
  const paper = await mix({ coefficients: 'softmax-trace', temperature })
  const calibrated = (learned: Calibration) =>
    mix({ coefficients: learned, uncertainties: uncertaintiesOf(views, learned.sources) })
  return [
    ...LANGUAGES.map(
      (language, k): System => ({ name: `${language} alone`, score: 'cosine', gaussians: members[k]! }),
    ),
    { name: 'uniform average', score: 'cosine', gaussians: uniform },
    { name: 'UEC as in the paper', score: 'uec', gaussians: paper },
    { name: '  no uncertainty in the similarity', score: 'cosine', gaussians: paper },
    { name: '  no uncertainty in the mixing', score: 'uec', gaussians: uniform },
    { name: 'UEC calibrated', score: 'uec', gaussians: await calibrated(calibration) },
    { name: '  without tokens per word', score: 'uec', gaussians: await calibrated(certainty) },
    {
      name: 'the expert of the language',
      reference: true,
      score: 'cosine',
      gaussians: expertOfLanguage(members, languages),
    },
  ]
}

/** u_kj of every text, n×K×J, as a calibration needs them (method §4). */
export function uncertaintiesOf(views: readonly View[], sources: readonly UncertaintySource[]): Float32Array {
  const seen = views.map(({ gaussians, ...rest }) => ({
    length: gaussians.length,
    traces: () => gaussians.traces(),
    ...rest,
  }))
  return uncertainties(seen, sources)
}

/** Each text as the expert of its language sees it: rows of one member, chosen by the known language. */
function expertOfLanguage(members: readonly GaussianBatch[], languages: readonly Language[]): GaussianBatch {
  return GaussianBatch.concat(
    languages.map((language, i) => members[LANGUAGES.indexOf(language)]!.slice(i, i + 1)),
  )
}
