// No call that takes long keeps the event loop from turning, and reading waits for no change.
import { expect, it } from 'vitest'
import { MINILM } from '../paths.ts'
import { figures, LONG } from './child.ts'

/** Generous, for a busy machine; a call that blocks takes seconds. */
const LONGEST_MS = 100
const BLOCKS = 'a loop that blocks'
/** A busy machine can stop any process for a while, but not the same call each time. */
const ATTEMPTS = LONG ? 5 : 3

interface Gap {
  longest: number
  took: number
}

interface Found {
  gaps: Record<string, Gap>
  /** What was asked during a change: how often, and how long each question took at most. */
  during: Record<string, { calls: number; slowest: Record<string, number> }>
}

it.each<[string, string, number, number, string[]]>([
  ['models and an index of 100 000 rows', 'gaps.mjs', 11, 0, [MINILM]],
  ['an index of 300 000 rows', 'index-gaps.mjs', 14, 4, ['native']],
  ['an index of 300 000 rows of uec/pure', 'index-gaps.mjs', 14, 4, ['pure']],
])(
  'leaves the event loop free: %s',
  async (_, script, calls, changes, args) => {
    const best = new Map<string, Gap>()
    const least = new Map<string, number>()
    for (let i = 0; i < ATTEMPTS; i++) {
      const { gaps, during } = await figures<Found>(script, args, ['--expose-gc'])
      const { [BLOCKS]: blocked, ...free } = gaps
      if (blocked) expect(blocked.longest, 'the measure sees what blocks').toBeGreaterThan(LONGEST_MS)
      for (const [name, gap] of Object.entries(free))
        if (gap.longest < (best.get(name)?.longest ?? Infinity)) best.set(name, gap)
      for (const [change, { calls, slowest }] of Object.entries(during)) {
        expect(calls, `questions during ${change}`).toBeGreaterThan(10)
        for (const [question, took] of Object.entries(slowest)) {
          const name = `${question} during ${change}`
          least.set(name, Math.min(took, least.get(name) ?? Infinity))
        }
      }
      const longest = [...[...best.values()].map(({ longest }) => longest), ...least.values()]
      if (!LONG && longest.every((time) => time < LONGEST_MS)) break
    }
    for (const [name, { longest, took }] of best)
      console.log(`${name}: took ${took.toFixed(0)} ms, longest gap ${longest.toFixed(1)} ms`)
    for (const [name, took] of least) console.log(`${name}: at most ${took.toFixed(1)} ms`)
    expect([best.size, new Set([...least.keys()].map((name) => name.split(' during ')[1])).size]).toEqual([
      calls,
      changes,
    ])
    for (const [name, { longest }] of best) expect(longest, name).toBeLessThan(LONGEST_MS)
    for (const [name, took] of least) expect(took, name).toBeLessThan(LONGEST_MS / 4)
  },
  600_000,
)
