// Long runs: memory stays flat, whatever is repeated. Children measure, so that only their own work counts.
import { describe, expect, it } from 'vitest'
import { figures, LONG } from './child.ts'

const FLAT = 30e6

interface Run {
  count: number
  growth: number
}

interface IndexSoak {
  rounds: number
  done: Record<string, number>
  growth: number
  warmBytes: number
  mostBytes: number
  journal: number
  left: number
  names: string[]
}

/** A young generation of one size: V8 would let it grow by 30 MB on the way, which is no leak. */
const FLAGS = ['--expose-gc', '--max-semi-space-size=1']
const soak = <T>(what: string, amount: number) => figures<T>('soak.mjs', [what, amount], FLAGS)
const MB = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

describe('memory', () => {
  it('is flat over cycles of load, embed and dispose', async () => {
    const cycles = LONG ? 200 : 40 // a session lost in each is 1.2 MB
    const { count, growth } = await soak<Run>('cycles', cycles)
    console.log(`${count} cycles of load, embed and dispose: ${MB(growth)} more`)
    expect(count).toBe(cycles)
    expect(growth).toBeLessThan(FLAT)
  }, 300_000)

  it('is flat while texts are embedded, convolved, added, searched and removed', async () => {
    const seconds = LONG ? 600 : 8
    const { count, growth, size } = await soak<Run & { size: number }>('loop', seconds)
    console.log(`${count} rounds of embed, convolve, add, search, remove in ${seconds} s: ${MB(growth)} more`)
    expect(count).toBeGreaterThan(40)
    expect(size).toBe(20 * 16)
    expect(growth).toBeLessThan(FLAT)
  }, 900_000)

  it.each([
    ['native', 600],
    ['pure', 120],
  ])(
    'is flat while indexes are changed, searched, read and saved: %s',
    async (name, long) => {
      const seconds = LONG ? long : 6
      const found = await figures<IndexSoak>('index-soak.mjs', [name, seconds], FLAGS)
      const { rounds, done, growth, warmBytes, mostBytes, journal, left, names } = found
      const counts = Object.entries(done).map(([what, count]) => `${count} ${what}`)
      console.log(`${rounds} rounds in ${seconds} s (${name}): ${counts.join(', ')}; ${MB(growth)} more`)
      console.log(`bytes: ${MB(warmBytes)}, then ${MB(mostBytes)}; journals: at most ${MB(journal)}`)
      expect(rounds).toBeGreaterThan(10)
      expect(growth).toBeLessThan(FLAT)
      expect(mostBytes).toBeLessThan(1.02 * warmBytes)
      expect(left, 'open files').toBeLessThan(1)
      expect(names, 'files left beside').toEqual([])
    },
    900_000,
  )

  it('does not depend on the number of pairs that are fitted', async () => {
    const few = LONG ? 1000 : 150
    const [a, b] = [
      await soak<{ count: number; peak: number }>('fit', few),
      await soak<{ count: number; peak: number }>('fit', 20 * few),
    ]
    console.log(`fit of ${a.count} pairs: at most ${MB(a.peak)}; of ${b.count} pairs: ${MB(b.peak)}`)
    expect([a.count, b.count]).toEqual([few, 20 * few])
    expect(Math.abs(b.peak - a.peak)).toBeLessThan(FLAT)
  }, 300_000)

  it('is given back by workers that embed once and end or are terminated', async () => {
    const workers = LONG ? 50 : 10
    const { count, growth, statuses, means } = await soak<Run & { statuses: number[]; means: number }>(
      'workers',
      workers,
    )
    console.log(`${count} workers: ${MB(growth)} more`)
    expect({ count, statuses, means }).toEqual({ count: workers, statuses: [0], means: 1 })
    expect(growth).toBeLessThan(LONG ? 2 * FLAT : FLAT)
  }, 300_000)
})
