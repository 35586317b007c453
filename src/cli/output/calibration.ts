/** A learned calibration for a person. */
import type { Calibration } from '../../index.ts'

export function calibrationLines(calibration: Calibration<string>): string[] {
  const powers = calibration.sources.map((source, j) => `${source} ${calibration.power[j]!.toFixed(3)}`)
  return [
    `  pairs         ${calibration.pairs}, held-out loss ${calibration.loss.toFixed(4)}`,
    `  bias          ${calibration.bias.map((bias) => bias.toFixed(3)).join(', ')}`,
    `  powers        ${powers.join(', ') || 'none: fixed weights'}`,
  ]
}
