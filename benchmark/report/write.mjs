// Writes results.json, report.md and a figure per curve.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GOALS, verdict } from '../goals.mjs'
import { describe } from './environment.mjs'
import { limits, markdown } from './table.mjs'

/** Everything that was measured. */
function document(bench, environment) {
  const rows = GOALS.filter(({ id }) => bench.results[id]).map((goal) => {
    const result = bench.results[goal.id]
    return { ...goal, ...result, ...(result.value && { verdict: verdict(goal, result.value.median) }) }
  })
  const { rows: n, rounds, limits, curves } = bench
  return { environment, rows: n, rounds, limits, results: rows, curves }
}

async function figures(bench, folder, subtitle) {
  if (bench.curves.length === 0) return []
  let figure
  try {
    ;({ figure } = await import('../peers/figures.mjs'))
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    bench.progress.phase('no figures: Vega is not installed (npm run bench:peers)')
    return []
  }
  const files = []
  for (const curve of bench.curves) {
    const file = `search-${curve.name}.svg`
    await writeFile(join(folder, file), await figure(curve, subtitle))
    files.push({ file, curve })
  }
  return files
}

/** Writes all of it into `folder`. */
export async function write(bench, environment, folder) {
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'results.json'),
    `${JSON.stringify(document(bench, environment), undefined, 1)}\n`,
  )
  const drawn = await figures(bench, folder, describe(environment))
  const versions = Object.entries(environment.versions).map(
    ([name, version]) => `${name} ${version ?? 'absent'}`,
  )
  const report = [
    '# Search and fit: measured against the machine and against others',
    `${describe(environment)}. ${bench.rows} rows, ${bench.rounds} rounds; spread: smallest and largest round. Made by \`npm run bench\`; [how](../README.md).`,
    `Versions: ${versions.join(', ')}.`,
    ...limits(bench).map((line) => `- ${line}`),
    markdown(bench),
    ...drawn.map(({ file, curve }) => `![Time of a search against ${curve.axis}](${file})`),
  ]
  await writeFile(join(folder, 'report.md'), `${report.join('\n\n')}\n`)
}
