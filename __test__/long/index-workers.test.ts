// One addon in several threads: indexes of their own, one file for a writer and readers, threads that are terminated.
import { expect, it } from 'vitest'
import { figures, LONG } from './child.ts'

interface Found {
  own: number
  terminated: Record<string, number>
  longest: number
  readers: number
  strange: string[]
}

it('workers share the addon, and what is left of a terminated one is a free lock and a whole file', async () => {
  const rounds = LONG ? 12 : 2
  const found = await figures<Found>('index-workers.mjs', [rounds])
  console.log(`workers: ${JSON.stringify(found)}`)
  expect(found.own).toBe(7)
  expect(found.terminated).toEqual({
    hold: rounds,
    search: rounds,
    add: rounds,
    save: rounds,
    reopen: rounds,
  })
  expect(found.longest, 'a worker ends soon').toBeLessThan(10_000)
  expect(found.readers, 'readers saw several states').toBeGreaterThan(1)
  expect(found.strange, 'nothing is left beside the files').toEqual([])
}, 600_000)
