import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { ReadWriteLock } from '../src/read-write-lock.ts'

test('reads run beside each other; writes run alone, in the order of the calls', async () => {
  const lock = new ReadWriteLock()
  const log: string[] = []
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const step = (name: string) => async () => {
    log.push(`${name}{`)
    await turn()
    log.push(`}${name}`)
    return name
  }
  const results = await Promise.all([
    lock.read(step('r1')),
    lock.read(step('r2')),
    lock.write(step('w1')),
    lock.write(step('w2')),
    lock.read(step('r3')),
  ])
  expect(results).toEqual(['r1', 'r2', 'w1', 'w2', 'r3'])
  expect(log.join(' ')).toBe('r1{ r2{ }r1 }r2 w1{ }w1 w2{ }w2 r3{ }r3')
})

test('failed work does not stop what comes after it', async () => {
  const lock = new ReadWriteLock()
  const failed = lock.write(() => Promise.reject(new Error('no')))
  const next = lock.read(async () => 1)
  await expect(failed).rejects.toThrow('no')
  expect(await next).toBe(1)
})

test('results are not kept', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const lock = new ReadWriteLock()
  const results: WeakRef<object>[] = []
  for (let i = 0; i < 5; i++) results.push(new WeakRef(await lock.read(async () => ({ i }))))
  await new Promise((resolve) => setTimeout(resolve))
  collectGarbage()
  expect(results.map((result) => result.deref())).toEqual(Array(5).fill(undefined))
})
