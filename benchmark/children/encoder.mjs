// An encoder as users call it: fits pairs, embeds their texts in the runs of a fit, bakes.
import { readFileSync } from 'node:fs'
import { Encoder } from 'uec'
import { serve, timed } from './serve.mjs'

/** Pairs of a contrastive batch, the default of a fit. */
const BATCH = 32
/** Texts that a fit runs together, neighbours in length (crates/encoder/src/taps.rs). */
const RUN = 16

let encoder
let pairs
/** Tokens by text. */
let lengths

/** Each line with one that follows it: the time depends on nothing but the lengths. */
function pair(lines, index) {
  const next = 1 + Math.floor(index / lines.length)
  return { query: lines[index % lines.length], positive: lines[(index + next) % lines.length] }
}

/** The texts of each run of a fit. */
function* runs() {
  for (let start = 0; start < pairs.length; start += BATCH) {
    const batch = pairs.slice(start, start + BATCH).flatMap(({ query, positive }) => [query, positive])
    batch.sort((a, b) => lengths.get(b) - lengths.get(a))
    for (let at = 0; at < batch.length; at += RUN) yield batch.slice(at, at + RUN)
  }
}

await serve({
  async load({ model, texts, pairs: count, threads }) {
    encoder = await Encoder.load(model, { threads })
    const lines = readFileSync(texts, 'utf8').split('\n').filter(Boolean)
    pairs = Array.from({ length: count }, (_, index) => pair(lines, index))
    const used = [...new Set(pairs.flatMap(({ query, positive }) => [query, positive]))]
    const { tokens } = await encoder.embed(used)
    lengths = new Map(used.map((text, index) => [text, tokens[index]]))
    return { tokens: tokens.reduce((sum, count) => sum + count, 0) / tokens.length }
  },
  async forward() {
    const { ms } = await timed(async () => {
      for (const texts of runs()) await encoder.embed(texts)
    })
    return { ms }
  },
  async fit({ sides }) {
    const { ms } = await timed(() => encoder.fit(pairs, { sides }))
    return { ms }
  },
  async bake({ file }) {
    await encoder.bake(file, await encoder.fit(pairs))
  },
})
