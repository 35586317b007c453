// An index whose store is held up at will: what an abort lets go, and what it does not.
import { expect, test } from 'vitest'
import type { IndexStore } from '../src/backend.ts'
import { GaussianBatch } from '../src/gaussian-batch.ts'
import { AbstractGaussianIndex } from '../src/gaussian-index.ts'
import { pureBackend } from '../src/pure/backend.ts'
import { PureIndexStore } from '../src/pure/index-store.ts'

const PLAN = { dimension: 1, storage: 'float32', prefilter: 'none', fingerprint: undefined } as const

class Index extends AbstractGaussianIndex {
  constructor(store: IndexStore) {
    super({ ...pureBackend, createIndex: () => store }, { dimension: 1 })
  }
}

/** A store that adds, and saves, only when it is told to. */
class HeldStore extends PureIndexStore {
  readonly log: string[] = []
  release = () => {}

  #held(): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve
    })
  }

  override async add(ids: readonly string[], rows: GaussianBatch): Promise<void> {
    this.log.push('add{')
    await this.#held()
    await super.add(ids, rows)
    this.log.push('}add')
  }

  override async save(): Promise<void> {
    this.log.push('save{')
    await this.#held()
    this.log.push('}save')
  }

  override async remove(ids: readonly string[]): Promise<number> {
    this.log.push('remove')
    return super.remove(ids)
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const one = new GaussianBatch({ mean: Float32Array.of(1), variance: Float32Array.of(0), dimension: 1 })

/** An index whose first add is under way and aborted. */
async function abortedAdd() {
  const store = new HeldStore(PLAN)
  const index = new Index(store)
  const controller = new AbortController()
  const adding = index.add(['a'], one, { signal: controller.signal })
  await turn()
  controller.abort('stop')
  await expect(adding).rejects.toBe('stop')
  return { store, index }
}

test('an aborted add lets its caller go; readers see nothing of it, and changes wait until it has ended', async () => {
  const { store, index } = await abortedAdd()
  const removing = index.remove(['a'])
  expect((await index.filter(() => true)).size).toBe(0)
  expect(store.log).toEqual(['add{'])
  expect(index.size).toBe(0)
  store.release()
  expect(await removing).toBe(1)
  expect(store.log).toEqual(['add{', '}add', 'remove'])
  expect(index.size).toBe(0)
})

test('what is aborted while it waits for that add never begins', async () => {
  const store = new HeldStore(PLAN)
  const index = new Index(store)
  const before = index.add(['a'], one)
  const controller = new AbortController()
  const { signal } = controller
  const waiting = [
    index.add(['b'], one, { signal }),
    index.remove(['a'], { signal }),
    index.save('x', { signal }),
  ]
  await turn()
  controller.abort('stop')
  for (const call of waiting) await expect(call).rejects.toBe('stop')
  store.release()
  await before
  await turn()
  expect(store.log).toEqual(['add{', '}add'])
  expect(index.ids()).toEqual(['a'])
})

test('the size counts the rows of an aborted add that took effect', async () => {
  const { store, index } = await abortedAdd()
  store.release()
  await turn()
  expect(index.size).toBe(1)
})

test('no change begins while an aborted save still reads the rows', async () => {
  const store = new HeldStore(PLAN)
  const index = new Index(store)
  const controller = new AbortController()
  const saving = index.save('anywhere', { signal: controller.signal })
  await turn()
  controller.abort('stop')
  await expect(saving).rejects.toBe('stop')
  const removing = index.remove([])
  await turn()
  expect(store.log).toEqual(['save{'])
  store.release()
  await removing
  expect(store.log).toEqual(['save{', '}save', 'remove'])
})
