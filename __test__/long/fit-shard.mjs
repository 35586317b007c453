// Fits the made-up pairs `from` to `to` of a tiny encoder and saves the posterior; goes on from a checkpoint.
import { Encoder } from '../../dist/index.js'
import { pair } from './fit-pairs.mjs'

const [model, from, to, threads, checkpoint, posterior] = process.argv.slice(2)

function* pairs() {
  for (let i = Number(from); i < Number(to); i++) yield pair(i)
}

const encoder = await Encoder.load(model, { threads: Number(threads) })
const fitted = await encoder.fit(pairs(), {
  batchSize: 8,
  ...(checkpoint !== 'none' && { checkpoint, checkpointSeconds: 0 }),
  onProgress: ({ phase, done }) => console.log(`${phase} ${done}`),
})
await fitted.save(posterior)
await encoder.dispose()
console.log(`megabytes ${process.resourceUsage().maxRSS / 1024}`)
