// One SVG per curve, drawn by Vega-Lite. It lies here because its dependencies are installed here.
import * as vega from 'vega'
import { compile } from 'vega-lite'

/** The SVG of a curve: median with a band from the smallest to the largest round, and a dashed line where time is proportional. */
export async function figure({ axis, points, linear }, subtitle) {
  const x = { field: 'x', type: 'quantitative', scale: { type: 'log', nice: false }, title: axis }
  const y = (field) => ({ field, type: 'quantitative', scale: { type: 'log', nice: false }, title: 'ms' })
  const color = { field: 'series', type: 'nominal', title: null, sort: null }
  const layer = [
    {
      mark: { type: 'area', opacity: 0.2 },
      encoding: { x, y: y('min'), y2: { field: 'max' }, color },
    },
    { mark: { type: 'line', point: true }, encoding: { x, y: y('median'), color } },
  ]
  if (linear) {
    layer.push({
      data: { values: proportional(points) },
      mark: { type: 'line', strokeDash: [4, 4], color: 'gray' },
      encoding: { x, y: y('median') },
    })
  }
  const spec = {
    title: { text: `Time of a search against ${axis}`, subtitle, anchor: 'start' },
    width: 480,
    height: 320,
    data: { values: points },
    layer,
    config: { background: 'white', legend: { symbolOpacity: 1 } },
  }
  return new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' }).toSVG()
}

/** Through the last point of the first series. */
function proportional(points) {
  const series = points.filter((point) => point.series === points[0].series)
  const last = series.at(-1)
  return [series[0].x, last.x].map((x) => ({ x, median: (last.median * x) / last.x }))
}
