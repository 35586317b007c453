/** What commands say about a posterior. */
import type { Posterior } from '../../index.ts'
import type { Reporter } from '../progress.ts'

/** Its numbers, for --json. */
export function fieldsOf(posterior: Posterior) {
  const { pairs, loss, accuracy, priorPrecision, effectiveParameters, logMarginalLikelihood } = posterior
  const { scale, dimension, features, warnings } = posterior
  return {
    pairs,
    loss,
    accuracy,
    priorPrecision,
    effectiveParameters,
    logMarginalLikelihood,
    scale,
    dimension,
    features,
    warnings,
  }
}

/** Its numbers for a person, under the name of its file; the warnings go to the reporter. */
export function describePosterior(file: string, posterior: Posterior, reporter: Reporter): string {
  const { pairs, loss, accuracy, priorPrecision, effectiveParameters, scale, dimension, features } = posterior
  for (const warning of posterior.warnings) reporter.line(`Warning: ${warning}`)
  const parameters = dimension * features
  const share = ((100 * effectiveParameters) / parameters).toFixed(1)
  return [
    `${file}`,
    `  pairs                  ${pairs}, mean loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(3)}`,
    `  prior precision        ${priorPrecision.toExponential(3)}`,
    `  effective parameters   ${effectiveParameters.toFixed(0)} of ${parameters} (${share} %)`,
    `  variance scale         ${scale.toExponential(3)}`,
  ].join('\n')
}
