/** Baked files in other runtimes than ours: onnxruntime-node, onnxruntime-web (WASM) and Python's onnxruntime. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as node from 'onnxruntime-node'
import * as web from 'onnxruntime-web'

export const LEVELS = ['disabled', 'basic', 'extended', 'all'] as const
export type Level = (typeof LEVELS)[number]

/** One text's. */
export interface Gaussian {
  mean: ArrayLike<number>
  variance: ArrayLike<number>
}

/** A baked file and the token ids of the texts to run, each alone. */
export interface Model {
  file: string
  ids: readonly number[][]
}

/** Of one file, by level and text. Where a runtime refuses to open it: what it said. */
export type Outcome = Partial<Record<Level, Gaussian[] | string>>

type Ort = Pick<typeof node, 'InferenceSession' | 'Tensor'>

/** Session options, and the model as the runtime takes it. */
type Open = (level: Level) => Promise<node.InferenceSession>

export const onNode = (model: Model, levels: readonly Level[]) =>
  eachLevel(node, model, levels, (graphOptimizationLevel) =>
    node.InferenceSession.create(model.file, { graphOptimizationLevel, logSeverityLevel: 3 }),
  )

export async function onWeb(model: Model, levels: readonly Level[]): Promise<Outcome> {
  web.env.wasm.numThreads = 1
  const bytes = await readFile(model.file)
  const path = 'model.onnx_data'
  const weights = join(dirname(model.file), path)
  const externalData = existsSync(weights) ? [{ path, data: await readFile(weights) }] : []
  return eachLevel(web as unknown as Ort, model, levels, (graphOptimizationLevel) =>
    web.InferenceSession.create(bytes, {
      graphOptimizationLevel,
      externalData,
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
    }),
  )
}

async function eachLevel(ort: Ort, { ids }: Model, levels: readonly Level[], open: Open): Promise<Outcome> {
  const outcome: Outcome = {}
  for (const level of levels) {
    let session: node.InferenceSession
    try {
      session = await open(level)
    } catch (error) {
      outcome[level] = (error as Error).message
      continue
    }
    const gaussians: Gaussian[] = []
    for (const tokens of ids) gaussians.push(await one(ort, session, tokens))
    outcome[level] = gaussians
    await session.release()
  }
  return outcome
}

async function one({ Tensor }: Ort, session: node.InferenceSession, ids: number[]): Promise<Gaussian> {
  const values: Record<string, number[]> = {
    input_ids: ids,
    attention_mask: ids.map(() => 1),
    token_type_ids: ids.map(() => 0),
    position_ids: ids.map((_, position) => position),
  }
  const tensor = (name: string) =>
    new Tensor('int64', BigInt64Array.from(values[name]!, BigInt), [1, ids.length])
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, tensor(name)]))
  const { mean, variance } = await session.run(feeds, ['mean', 'variance'])
  return { mean: mean!.data as Float32Array, variance: variance!.data as Float32Array }
}

/** In one Python process; the reason where it lacks what it needs. */
export async function onPython(models: readonly Model[], folder: string): Promise<Outcome[] | string> {
  const files = join(folder, 'models.json')
  await writeFile(files, JSON.stringify(models))
  const script = fileURLToPath(new URL('run_baked.py', import.meta.url))
  const python = process.env.UEC_PYTHON ?? 'python3'
  const { status, stdout, stderr, error } = spawnSync(python, [script, files], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (error) return `no ${basename(python)}`
  if (status === 77) return stdout.trim()
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Outcome[]
}
