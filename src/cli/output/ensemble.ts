/** What an ensemble's directory says about itself, without any encoder loaded. */
import { relative, resolve } from 'node:path'
import type { Calibration } from '../../index.ts'
import { ensembleFile } from '../library.ts'
import { calibrationLines } from './calibration.ts'

export async function inspectEnsemble(directory: string, json: boolean): Promise<void> {
  const { describeEnsemble } = await ensembleFile()
  const { members, alignment, ...rest } = await describeEnsemble(directory)
  const root = resolve(directory)
  const listed = members.map((member, k) => ({
    ...member,
    path: relative(root, member.path),
    ...(alignment?.members[k] && { alignment: alignment.members[k] }),
  }))
  if (json) {
    console.log(JSON.stringify({ ensemble: directory, ...rest, members: listed }))
    return
  }
  const { version, uec, coefficients: rule, temperature, fingerprint, dimension, bytes, normalize } = rest
  const calibration =
    typeof rule === 'object' && 'sources' in rule ? (rule as Calibration<string>) : undefined
  const lines = [
    `${directory}: format ${version}${uec ? `, written by uec ${uec}` : ''}${bytes === undefined ? '' : `, ${(bytes / 1e6).toFixed(1)} MB`}`,
    `  coefficients  ${calibration ? 'calibrated' : typeof rule === 'string' ? rule : JSON.stringify(rule)}`,
    ...(calibration ? calibrationLines(calibration) : []),
    `  temperature   ${temperature.toPrecision(4)}`,
    `  mixtures      ${dimension ? `of dimension ${dimension}, ` : ''}${normalize ? 'of unit length' : 'not normalised'}`,
    `  fingerprint   ${fingerprint}`,
  ]
  for (const [
    k,
    { path, name, fingerprint, dimension, tail, priorPrecision, scale, alignment },
  ] of listed.entries()) {
    const details = [
      ...(dimension ? [`dimension ${dimension}`] : []),
      ...(tail ? [`tail ${tail}`] : []),
      ...(priorPrecision ? [`λ ${priorPrecision.toPrecision(4)}`] : []),
      ...(scale ? [`scale ${scale.toPrecision(4)}`] : []),
    ]
    lines.push(`  member ${k}      ${name ?? path}${details.length > 0 ? ` (${details.join(', ')})` : ''}`)
    lines.push(`                ${path}, ${fingerprint}`)
    if (alignment)
      lines.push(
        `                aligned ${alignment.rows}×${alignment.columns} on ${alignment.anchors} anchors, mean cosine ${alignment.cosine.toFixed(3)}`,
      )
  }
  console.log(lines.join('\n'))
}
