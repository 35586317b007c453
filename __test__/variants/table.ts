/** docs/variants.md: what was measured of each export style. */

import type { Level } from './runtimes.ts'

/** Of a runtime: a deviation, and the levels at which it refuses the file. */
export interface Figure {
  deviation: number
  refused: Level[]
}

export interface Row {
  name: string
  /** How it was exported. */
  made: string
  /** The last linear layer and the norm behind it. */
  tail: string
  pooling: string
  /** Largest deviations from what uec gives with the posterior in memory. */
  uec: Figure
  node: Figure
  web: Figure
  /** Nothing where it was not measured. */
  python: Figure | undefined
  /** Of all runtimes, with V in float16. */
  half: Figure
}

const HEAD = ['encoder', 'export', 'last layer, norm', 'pooling', 'fit, bake, search', 'uec']
const RUNTIMES = ['onnxruntime-node', 'onnxruntime-web', 'Python', 'V in float16']
const BOUNDS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]

/**
 * Rounded up coarsely, with room for another processor's last digits. What is written already stays as long as it holds.
 */
function cell(figure: Figure | undefined, written: string | undefined): string {
  if (figure === undefined) return written ?? 'not measured'
  const { deviation, refused } = figure
  const exception = refused.length > 0 ? `, refused at ${refused.join(', ')}` : ''
  const [bound, rest] = written?.match(/^≤ ([^,]+)(.*)$/)?.slice(1) ?? []
  if (deviation <= Number(bound) && exception === rest) return written!
  return `≤ ${(BOUNDS.find((bound) => 2 * deviation <= bound) ?? deviation).toExponential(0)}${exception}`
}

const line = (row: readonly string[]) => `| ${row.join(' | ')} |\n`

/** The table; `before` is the one that is kept. */
export function table(rows: readonly Row[], before: string): string {
  const written = new Map(before.split('\n').map((line) => [line.split(' | ')[0], line.split(' | ')]))
  const head = [...HEAD, ...RUNTIMES]
  const body = rows.map(({ name, made, tail, pooling, uec, node, web, python, half }) => {
    const old = written.get(`| ${name}`)?.map((text) => text.replace(/ \|$/, ''))
    const figures = [uec, node, web, python, half].map((figure, i) => cell(figure, old?.[5 + i]))
    return line([name, made, tail, pooling, 'yes', ...figures])
  })
  return line(head) + line(head.map(() => '---')) + body.join('')
}
