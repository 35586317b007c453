// The longest time for which the event loop stands still while an index changes and answers, and how long calls take that
// wait for no change, in milliseconds, as JSON: node --expose-gc index-gaps.mjs <native|pure>
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clock, measured } from './event-loop.mjs'
import { random } from './random.mjs'

const { GaussianBatch, GaussianIndex } = await import(
  { native: '../../dist/index.js', pure: '../../dist/pure/index.js' }[process.argv[2]]
)
const { gaps, measure } = measured()
const folder = mkdtempSync(join(tmpdir(), 'uec-gaps-'))

const [count, few, dimension, next] = [300_000, 2000, 16, random(1)]
const numbers = (n) => Float32Array.from({ length: n * dimension }, () => next() + 0.1)
const batch = (n) => new GaussianBatch({ mean: numbers(n), variance: numbers(n), dimension })
const names = (prefix, n) => Array.from({ length: n }, (_, i) => `${prefix} ${i}`)
const first = names('one of the first documents', few)
const many = names('one of very many documents', count)
const rows = batch(count)
const queries = rows.slice(0, 8)

const file = join(folder, 'index')
const memory = new GaussianIndex({ dimension })
await memory.add(first, rows.slice(0, few))
await memory.save(file)

/** Calls get, has and ids in turn while `call` is under way; how often, and how long each took at most. */
async function meanwhile(index, call, ...names) {
  const ask = {
    get: (i) => index.get(first[i % few]).mean.length,
    has: (i) => index.has(many[i % count]),
    size: () => index.size,
    ids: () => index.ids().length,
  }
  const slowest = Object.fromEntries(names.map((name) => [name, 0]))
  let running = true
  const ended = call().finally(() => {
    running = false
  })
  let calls = 0
  for (; running; calls++) {
    for (const name of names) {
      const start = clock()
      const answer = ask[name](calls)
      // All ids of the change that has just ended take their time; whether one waits for it is the question.
      if (name !== 'ids' || answer === few) slowest[name] = Math.max(slowest[name], clock() - start)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await ended
  return { calls, slowest }
}

const during = {}
for (const [where, index] of Object.entries({ memory, file: await GaussianIndex.open(file) })) {
  const name = (what) => `${what} ${count} rows (${where})`
  during[`add (${where})`] = await measure(name('add'), () =>
    meanwhile(index, () => index.add(many, rows), 'get', 'has', 'size', 'ids'),
  )
  await measure(name('search'), () => index.search(queries))
  await measure(name('search with all ids as a filter in'), () => index.search(queries, { filter: many }))
  await measure(name('replace'), () => index.add(many, rows))
  await measure(name('filter'), () => index.filter((id) => id.endsWith('7')))
  await measure(name('verify'), () => index.verify())
  during[`remove (${where})`] = await measure(name('remove'), () =>
    meanwhile(index, () => index.remove(many), 'get', 'has', 'size'),
  )
  if (index.size !== few) throw new Error(`${index.size} rows are left`)
  index.dispose()
}
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ gaps, during }))
