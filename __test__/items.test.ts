import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { checkItems, eachItem } from '../src/items.ts'

/** A source that counts how often it was closed. */
function source(items: number, stuckAfter = Number.POSITIVE_INFINITY) {
  let next = 0
  const state = { closed: 0 }
  const iterator: AsyncIterator<number> = {
    next: () =>
      next >= stuckAfter
        ? new Promise(() => {})
        : Promise.resolve(next < items ? { done: false, value: next++ } : { done: true, value: undefined }),
    return: async () => {
      state.closed += 1
      return { done: true, value: undefined }
    },
  }
  return { state, items: { [Symbol.asyncIterator]: () => iterator } }
}

const collect = async (items: AsyncIterable<number>) => {
  const seen: number[] = []
  for await (const item of items) seen.push(item)
  return seen
}

describe('eachItem', () => {
  test('gives the items of sync and async iterables', async () => {
    expect(await collect(eachItem(new Set([3, 1, 2]), undefined))).toEqual([3, 1, 2])
    const { items, state } = source(3)
    expect(await collect(eachItem(items, undefined))).toEqual([0, 1, 2])
    expect(state.closed).toBe(0)
  })

  test('closes the source when the caller leaves early', async () => {
    const { items, state } = source(9)
    for await (const item of eachItem(items, undefined)) if (item === 2) break
    expect(state.closed).toBe(1)
  })

  test('passes on what the source throws', async () => {
    const failing = (function* () {
      yield 1
      throw new Error('source')
    })()
    await expect(collect(eachItem(failing, undefined))).rejects.toThrow('source')
  })

  test('an abort ends the wait for a source that is stuck, and keeps no listener', async () => {
    const { items, state } = source(9, 2)
    const controller = new AbortController()
    const reason = new Error('enough')
    const seen = collect(eachItem(items, controller.signal))
    setTimeout(() => controller.abort(reason), 5)
    await expect(seen).rejects.toBe(reason)
    expect(state.closed).toBe(1)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

test('checkItems refuses what is no iterable, and strings', () => {
  for (const data of [undefined, null, 3, {}, 'text'])
    expect(() => checkItems('texts', data)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  for (const data of [[], new Set(), source(1).items]) checkItems('texts', data)
})
