// The table, on a terminal and in Markdown.
import Table from 'cli-table3'
import { GOALS, target, verdict } from '../goals.mjs'

const HEAD = ['work', 'against', 'median', 'spread', 'must', 'aim', '']

function digits(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function cells(goal, result, short) {
  const { work, against, unit, must, aim } = goal
  const rest = [target(unit, must), target(unit, aim)]
  if (result.reason) return [work, against, '', '', ...rest, `not measured: ${result.reason}`]
  const { median, min, max } = result.value
  const notes = [short ? '' : verdict(goal, median)]
  if (result.agreement !== undefined && result.agreement < 1)
    notes.push(`${Math.round(100 * result.agreement)} % of the hits agree`)
  const spread = min === max ? '' : `${digits(min)} … ${digits(max)}`
  return [work, against, `${digits(median)} ${unit}`, spread, ...rest, notes.filter(Boolean).join('; ')]
}

/** Without verdicts where the sizes are tiny. */
function lines({ results, short }) {
  return GOALS.filter(({ id }) => results[id]).map((goal) => cells(goal, results[goal.id], short))
}

/** Of the machine; and a warning if it was busy with something else. */
export function limits({ load, limits: { kernels, threads = {} } }) {
  const value = ({ median, min, max }) => `${digits(median)} (${digits(min)} … ${digits(max)})`
  const busy =
    load > 0.5 ? [`other processes computed at the start (load ${digits(load)}): the ratios scatter`] : []
  const measured = Object.entries(threads).map(
    ([count, { readGBs, cachedGBs, fmaGflops }]) =>
      `limits, ${count} ${count === '1' ? 'thread' : 'threads'}, ${kernels}: read ${value(readGBs)} GB/s, ` +
      `from the cache ${value(cachedGBs)} GB/s, multiply-add ${value(fmaGflops)} GFLOP/s`,
  )
  return [...measured, ...busy]
}

/** For a terminal. */
export function terminal(bench) {
  const colWidths = [40, 30, 12, 17, 12, 12, 28]
  const table = new Table({ head: HEAD, colWidths, style: { head: [], border: [] }, wordWrap: true })
  table.push(...lines(bench))
  return table.toString()
}

/** For results/report.md. */
export function markdown(bench) {
  const row = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [row(HEAD), row(HEAD.map(() => '---')), ...lines(bench).map(row)].join('\n')
}
