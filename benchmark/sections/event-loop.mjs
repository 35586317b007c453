// The gaps that a service's event loop has while it searches.
import { availableParallelism } from 'node:os'
import { DIMENSION } from '../bench.mjs'
import { during } from '../measure/child.mjs'
import { quantile, summary } from '../measure/statistics.mjs'

export const rows = ['event-loop-1', 'event-loop-2', 'event-loop-busy']

export async function run(bench) {
  const folder = await bench.data('clustered')
  const seconds = bench.short ? 0.1 : 1
  const request = { do: 'gaps', name: 'a', folder, first: 0, queries: 1, k: 10, score: 'uec', seconds }
  for (const threads of [1, 2]) {
    await during(bench.uec('uec', threads), async (uec) => {
      await uec.ask({ do: 'load', name: 'a', folder, rows: bench.rows, dimension: DIMENSION })
      const ours = () => uec.ask(request)
      const value = (of) => (answers) => ({ value: summary(answers.ours.map(of)) })
      if (threads === 1) await bench.measure('event-loop-1', { ours }, value(largest))
      else {
        await bench.measure(
          'event-loop-2',
          { ours },
          value(({ gaps }) => quantile(gaps, 0.99)),
        )
        await besideOthers(bench, ours, seconds)
      }
    })
  }
}

/** What the operating system alone makes an event loop wait for, when as many foreign processes as cores compute. */
function besideOthers(bench, ours, seconds) {
  const alone = async () => {
    const others = Array.from({ length: availableParallelism() }, () => bench.node('children/busy.mjs'))
    try {
      await Promise.all(others.map((other) => other.ask({ do: 'ready' })))
      const busy = others.map((other) => other.ask({ do: 'spin', seconds }))
      const [answer] = await Promise.all([idle.ask({ do: 'gaps', seconds }), ...busy])
      return answer
    } finally {
      for (const other of others) await other.end()
    }
  }
  const idle = bench.node('children/idle.mjs')
  const ratio = ({ ours, theirs }) => ours.map((answer, round) => largest(theirs[round]) / largest(answer))
  return during(idle, () =>
    bench.measure('event-loop-busy', { ours, theirs: alone }, (answers) => ({
      value: summary(ratio(answers)),
    })),
  )
}

function largest({ gaps }) {
  return gaps.reduce((a, b) => Math.max(a, b), 0)
}
