import { getEventListeners } from 'node:events'
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

test('an aborted call lets its caller go, but still counts until it has ended', async () => {
  const calls = new RunningCalls()
  const controller = new AbortController()
  let finish = () => {}
  const call = calls.track(() => new Promise<void>((resolve) => (finish = resolve)), controller.signal)
  await new Promise((resolve) => setImmediate(resolve))
  controller.abort('stop')
  await expect(call).rejects.toBe('stop')
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  let over = false
  const settled = calls.settled().then(() => (over = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(over).toBe(false)
  finish()
  await settled
})

test('a call that is aborted in the turn in which it was made never begins', async () => {
  const controller = new AbortController()
  let begun = false
  const call = new RunningCalls().track(async () => (begun = true), controller.signal)
  controller.abort('stop')
  await expect(call).rejects.toBe('stop')
  await new Promise((resolve) => setImmediate(resolve))
  expect(begun).toBe(false)
})
