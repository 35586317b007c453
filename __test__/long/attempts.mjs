// One attempt per seed to use a damaged file; prints what came out as JSON.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UecError } from '../../dist/errors.js'
import { random } from './random.mjs'

/**
 * `damage` writes a damaged file and returns what uses it. The file `seed` in the folder always says which is being used,
 * for the case that this process does not live to tell.
 */
export async function attempts(folder, first, count, damage) {
  const found = { codes: {}, examples: {}, slowest: 0, slowestSeed: 0, growth: 0 }
  const before = process.memoryUsage.rss()
  for (let seed = first; seed < first + count; seed++) {
    const use = damage(random(seed))
    writeFileSync(join(folder, 'seed'), String(seed))
    const start = performance.now()
    let code = 'works'
    try {
      await use()
    } catch (error) {
      code = error instanceof UecError ? error.code : 'no UecError'
      found.examples[code] ??= `seed ${seed}: ${error?.stack ?? error}`
    }
    const time = performance.now() - start
    if (time > found.slowest) Object.assign(found, { slowest: time, slowestSeed: seed })
    found.codes[code] = (found.codes[code] ?? 0) + 1
    found.growth = Math.max(found.growth, process.memoryUsage.rss() - before)
  }
  console.log(JSON.stringify(found))
}
