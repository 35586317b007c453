// What this machine can do at most; printed, and the yardstick of later sections, which measure it again in turn.
import { availableParallelism } from 'node:os'
import { alternate } from '../measure/alternate.mjs'
import { during } from '../measure/child.mjs'
import { summary } from '../measure/statistics.mjs'

export const rows = ['limits']

/** Bytes to read: no cache holds them. */
export const bytes = ({ short }) => (short ? 2 ** 26 : 1.25 * 2 ** 30)
/** Within the second-level cache of anything recent. */
const CACHED = 2 ** 18

export function run(bench) {
  return during(bench.rust(), (rust) => limits(bench, rust))
}

async function limits(bench, rust) {
  await rust.ask({ do: 'reserve', bytes: bytes(bench) })
  const { kernels } = await rust.ask({ do: 'info' })
  bench.limits = { kernels, threads: {} }
  for (const threads of new Set([1, Math.min(2, availableParallelism()), availableParallelism()])) {
    bench.progress.row('limits', `threads: ${threads}`)
    const works = {
      read: () => rust.ask({ do: 'read', threads }),
      cached: () => rust.ask({ do: 'read-cached', bytes: CACHED, threads }),
      fma: () => rust.ask({ do: 'fma', threads }),
    }
    const answers = await alternate(works, bench.rounds, (done, of) => bench.progress.round(done, of))
    const rate = (list, key) => ({
      ...summary(list.map((answer) => answer[key] / answer.ms / 1e6)),
      kernel: list[0].kernel,
    })
    bench.limits.threads[threads] = {
      readGBs: rate(answers.read, 'bytes'),
      cachedGBs: rate(answers.cached, 'bytes'),
      fmaGflops: rate(answers.fma, 'flops'),
    }
  }
}
