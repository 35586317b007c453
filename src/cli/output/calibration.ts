/** A learned calibration for a person. */
import type { Calibration } from '../../index.ts'

export function calibrationLines(calibration: Calibration<string>): string[] {
  const { pairs, loss } = calibration
  const powers = calibration.sources.map((source, j) => `${source} ${calibration.power[j]!.toFixed(3)}`)
  return [
    // A calibration written by hand may lack what no mixture needs.
    `  pairs         ${Number.isFinite(pairs) ? pairs : 'unknown'}, held-out loss ${Number.isFinite(loss) ? loss.toFixed(4) : 'unknown'}`,
    `  bias          ${calibration.bias.map((bias) => bias.toFixed(3)).join(', ')}`,
    `  powers        ${powers.join(', ') || 'none: fixed weights'}`,
  ]
}
