import { expect, test } from 'vitest'
import { RunningCalls } from '../src/running-calls.ts'

test('settled waits for what has begun, and for nothing else', async () => {
  const calls = new RunningCalls()
  await calls.settled()
  const log: string[] = []
  let finish = () => {}
  const slow = calls.track(() => new Promise<void>((resolve) => (finish = resolve)))
  const failing = calls.track(() => Promise.reject(new Error('no')))
  const waiting = calls.settled().then(() => log.push('settled'))
  await expect(failing).rejects.toThrow('no')
  expect(log).toEqual([])
  finish()
  await slow
  await waiting
  expect(log).toEqual(['settled'])
})
