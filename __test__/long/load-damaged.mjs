// Loads damaged models: node load-damaged.mjs <kind> <folder> <first seed> <count>. Prints what came out as JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Encoder, Ensemble, Posterior } from '../../dist/index.js'
import { attempts } from './attempts.mjs'
import { damageBytes, damageJson, damagePosterior } from './mutations.mjs'

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

await attempts(folder, Number(first), Number(count), (next) => {
  writeFileSync(path, damage(next, whole))
  return () => use(path)
})
writeFileSync(path, whole)
