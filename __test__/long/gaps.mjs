// The longest time for which the event loop stands still during each long call, in milliseconds, as JSON: node gaps.mjs <model>
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Encoder, GaussianBatch, GaussianIndex } from '../../dist/index.js'
import { clock, measured } from './event-loop.mjs'
import { random, text } from './random.mjs'

const model = process.argv[2]
const folder = mkdtempSync(join(tmpdir(), 'uec-gaps-'))
const { gaps, measure } = measured()

const texts = (n) => Array.from({ length: n }, (_, i) => `${text(i)} and ${text(i + 100)}`)

await measure('a loop that blocks', () => {
  const end = clock() + 200
  while (clock() < end);
})
const encoder = await measure('load', () => Encoder.load(model, { threads: 1 }))
await measure('embed 200 texts', () => encoder.embed(texts(200)))
const posterior = await measure('fit 64 texts', () => encoder.fit(texts(64)))
await measure('load with a posterior', async () => {
  await (await Encoder.load(model, { threads: 1, posterior })).dispose()
})
await measure('bake', () => encoder.bake(join(folder, 'baked.onnx'), posterior))
await encoder.dispose()

const [n, dimension, next] = [100_000, 384, random(1)]
const numbers = () => {
  const array = new Float32Array(n * dimension)
  for (let i = 0; i < array.length; i++) array[i] = next() - 0.3
  return array
}
const mean = numbers()
const variance = numbers().map(Math.abs)
const rows = new GaussianBatch({ mean, variance, dimension })
const ids = Array.from({ length: n }, (_, i) => `document ${i}`)
const index = new GaussianIndex({ dimension })
await measure('add 100 000 rows', () => index.add(ids, rows))
await measure('search 100 000 rows, 32 queries', () => index.search(rows.slice(0, 32)))
await measure('search with a filter', () => index.search(rows.slice(0, 32), { filter: ids.slice(0, 50_000) }))
const file = join(folder, 'index')
await measure('save 100 000 rows', () => index.save(file))
await measure('open 100 000 rows', () => GaussianIndex.open(file))
await measure('remove 50 000 rows', () => index.remove(ids.slice(0, 50_000)))
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ gaps, during: {} }))
