// Loads damaged files: node load-damaged.mjs <kind> <folder> <first seed> <count>. The file `seed` in the folder always says
// which is being loaded, for the case that this process does not live to tell. Prints what came out as JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Encoder, Ensemble, GaussianIndex, Posterior, UecError } from '../../dist/index.js'
import { damageBytes, damageIndex, damageJson, damagePosterior } from './mutations.mjs'
import { random } from './random.mjs'

const [kind, folder, first, count] = process.argv.slice(2)

const finite = (numbers) => {
  if (!numbers.every(Number.isFinite)) throw new Error('a number is not finite')
}
async function embed(encoder) {
  try {
    const { mean, variance } = await encoder.embed(['the river and a horse', ''])
    finite(mean)
    finite(variance)
  } finally {
    await encoder.dispose()
  }
}
const encoder = (file) => ({
  file: join('model', file),
  damage: damageJson,
  use: async () => embed(await Encoder.load(join(folder, 'model'), { threads: 1 })),
})

const KINDS = {
  index: {
    file: 'index',
    damage: damageIndex,
    use: async (file) => {
      const index = await GaussianIndex.open(file)
      await index.verify()
      for (const id of index.ids()) finite(index.get(id).mean)
      index.dispose()
    },
  },
  posterior: {
    file: 'posterior',
    damage: damagePosterior,
    use: async (file) => {
      const { loss, priorPrecision, logMarginalLikelihood, effectiveParameters, scale, accuracy } = (
        await Posterior.load(file)
      ).with({ scale: 2 })
      finite([loss, priorPrecision, logMarginalLikelihood, effectiveParameters, scale, accuracy])
    },
  },
  // Loaded, never run: what is still a graph after the damage may ask ONNX Runtime for any amount of work.
  onnx: {
    file: join('model', 'onnx', 'model.onnx'),
    damage: damageBytes,
    use: async () => (await Encoder.load(join(folder, 'model'), { threads: 1 })).dispose(),
  },
  ensemble: {
    file: join('ensemble', 'ensemble.json'),
    damage: damageJson,
    use: async () => embed(await Ensemble.load(join(folder, 'ensemble'), { encoder: { threads: 1 } })),
  },
  tokenizer: encoder('tokenizer.json'),
  modules: encoder('modules.json'),
  pooling: encoder(join('1_Pooling', 'config.json')),
  sentence: encoder('sentence_bert_config.json'),
  config: encoder('config.json'),
}

const { file, damage, use } = KINDS[kind]
const path = join(folder, file)
const whole = readFileSync(path)
for (let i = 0; i < 5; i++) await use(path)

const found = { codes: {}, examples: {}, slowest: 0, slowestSeed: 0, growth: 0 }
const before = process.memoryUsage.rss()
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const bytes = damage(random(seed), whole)
  writeFileSync(path, bytes)
  writeFileSync(join(folder, 'seed'), String(seed))
  const start = performance.now()
  let code = 'works'
  try {
    await use(path)
  } catch (error) {
    code = error instanceof UecError ? error.code : 'no UecError'
    found.examples[code] ??= `seed ${seed}: ${error?.stack ?? error}`
  }
  const time = performance.now() - start
  if (time > found.slowest) Object.assign(found, { slowest: time, slowestSeed: seed })
  found.codes[code] = (found.codes[code] ?? 0) + 1
  found.growth = Math.max(found.growth, process.memoryUsage.rss() - before)
}
writeFileSync(path, whole)
console.log(JSON.stringify(found))
