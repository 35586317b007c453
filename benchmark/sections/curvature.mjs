// The curvature of one contrastive batch, against the machine's limit and other libraries.
import { during } from '../measure/child.mjs'
import { percent, speedup, times } from '../measure/statistics.mjs'

/** Of the English encoder; as few tokens as the goal asks for, because more are easier. */
const FULL = { batch: 32, tokens: 8, dimension: 384, features: 1536 }
const SHORT = { batch: 4, tokens: 8, dimension: 24, features: 32 }

/** By peer: its row, its name to `load`, its request and the sides that it can do. */
const PEERS = [
  { id: 'curvature-numpy', what: 'numpy', request: 'einsum', sides: 'both' },
  { id: 'curvature-torch', what: 'torch', request: 'autograd', sides: 'both' },
  { id: 'curvature-laplace-torch', what: 'torch', request: 'laplace', sides: 'query' },
]

export const rows = [
  ...['curvature-1', 'curvature-2', 'curvature-threads', 'curvature-ggn'],
  ...PEERS.map(({ id }) => id),
]

export function run(bench) {
  return during(bench.rust(), (rust) => curvature(bench, rust))
}

async function curvature(bench, rust) {
  const size = bench.short ? SHORT : FULL
  const add = ({ threads = 1, estimator = 'ef', sides = 'both' } = {}) => {
    const shape = { ...size, estimator, sides }
    return () => rust.ask({ do: 'curvature', shape, threads })
  }
  for (const threads of [1, 2]) {
    const works = { ours: add({ threads }), limit: () => rust.ask({ do: 'fma', threads }) }
    await bench.measure(`curvature-${threads}`, works, ({ ours, limit }) => ({
      value: percent(ours, ours[0].flops, limit, 'flops'),
    }))
  }
  await bench.measure('curvature-threads', { ours: add({ threads: 2 }), theirs: add() }, (answers) => ({
    value: speedup(answers.ours, answers.theirs),
  }))
  await bench.measure('curvature-ggn', { ours: add({ estimator: 'ggn' }), theirs: add() }, (answers) => ({
    value: times(answers.ours, answers.theirs),
  }))
  for (const { id, what, request, sides } of PEERS) {
    if (!bench.wants(id)) continue
    await bench.attempt([id], () =>
      during(bench.python(1, 'curvature.py'), async (python) => {
        bench.progress.phase(`loading ${what}`)
        await python.ask({ do: 'load', what, ...size })
        const works = { ours: add({ sides }), theirs: () => python.ask({ do: request }) }
        await bench.measure(id, works, ({ ours, theirs }) => ({ value: speedup(ours, theirs) }))
      }),
    )
  }
}
