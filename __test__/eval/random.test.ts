import { expect, test } from 'vitest'
import { Random } from '../../src/eval/random.ts'

test('xoshiro128** gives the outputs of the reference implementation', () => {
  // State {1, 2, 3, 4} of xoshiro128starstar.c 1.1, as recorded in the tests of the crate rand_xoshiro.
  const random = Random.from(1, 2, 3, 4)
  const outputs = Array.from({ length: 10 }, () => random.next())
  expect(outputs).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ])
})

test('a seed repeats its sequence and another seed does not', () => {
  const sequence = (seed: number) => {
    const random = Random.seeded(seed)
    return Array.from({ length: 8 }, () => random.next())
  }
  expect(sequence(7)).toEqual(sequence(7))
  expect(sequence(7)).not.toEqual(sequence(8))
})

test('below(6) stays in range and meets every face about equally often', () => {
  const random = Random.seeded(0)
  const counts = new Array<number>(6).fill(0)
  for (let i = 0; i < 60_000; i += 1) counts[random.below(6)]! += 1
  // Standard deviation of a count is 91; 500 is more than five of them.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
})
