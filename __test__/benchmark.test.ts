import { describe, expect, it } from 'vitest'

const load = (file: string) => import(new URL(`../benchmark/${file}`, import.meta.url).href)
const { percent, quantile, speedup, summary, times: timesAs } = await load('measure/statistics.mjs')
const { alternate } = await load('measure/alternate.mjs')
const { GOALS, verdict } = await load('goals.mjs')
const { TopK } = await load('children/top-k.mjs')

const times = (...list: number[]) => list.map((ms) => ({ ms }))

describe('the benchmark', () => {
  it('compares subject and yardstick round by round', () => {
    expect(speedup(times(1, 2, 4), times(3, 2, 20))).toEqual({ median: 3, min: 1, max: 5 })
    const limits = [
      { ms: 2, bytes: 8 },
      { ms: 1, bytes: 8 },
    ]
    expect(percent(times(2, 2), 4, limits, 'bytes')).toEqual({ median: 37.5, min: 25, max: 50 })
    expect(timesAs(times(1, 3, 9), times(2, 2, 2))).toEqual({ median: 1.5, min: 0.5, max: 4.5 })
    expect(summary([4, 1, 2, 3]).median).toBe(2.5)
    expect(
      quantile(
        Array.from({ length: 100 }, (_, i) => i),
        0.99,
      ),
    ).toBe(99)
  })

  it('lets them work in turn, and forgets the round that warms up', async () => {
    const order: string[] = []
    const work = (name: string) => async (round: number) => {
      order.push(name)
      return { ms: round }
    }
    const answers = await alternate({ a: work('a'), b: work('b') }, 3)
    expect(order.join('')).toBe('abababab')
    expect(answers).toEqual({ a: times(0, 1, 2), b: times(0, 1, 2) })
  })

  it('judges rates from below and times from above', () => {
    expect(verdict({ unit: '×', must: 2, aim: 3 }, 1.9)).toBe('missed')
    expect(verdict({ unit: '×', must: 2, aim: 3 }, 2)).toBe('met')
    expect(verdict({ unit: 'ms', must: 10, aim: 5 }, 4)).toBe('met, aim reached')
    expect(verdict({ unit: 'ms', must: 10, aim: 5 }, 11)).toBe('missed')
    expect(verdict({ unit: '× time', must: 2.1 }, 1.7)).toBe('met')
    expect(verdict({ unit: '× time', must: 2.1 }, 2.2)).toBe('missed')
    expect(verdict({ unit: '×' }, 11)).toBe('')
    const ids = GOALS.map(({ id }: { id: string }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('gives peers without a top k a correct one', () => {
    const scores = [3, 1, 3, Number.NEGATIVE_INFINITY, 7, 3, 2]
    const top = new TopK(4)
    scores.forEach((score, row) => {
      top.offer(score, row)
    })
    expect(top.rows).toEqual([4, 0, 2, 5])
  })
})
