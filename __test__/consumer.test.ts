import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './paths.ts'

const PROGRAM = `
import { Encoder, Ensemble, type FitOptions, GaussianIndex, type Hit, similarity } from 'uec'
import { ndcg } from 'uec/eval'
import { GaussianBatch } from 'uec/pure'
export const options: FitOptions = { tail: 'plain' }
export const hits: Hit[] = []
export const names = [Encoder, Ensemble, GaussianIndex, similarity, ndcg, GaussianBatch]
`

it('compiles in a strict project that checks the types of its libraries too', async () => {
  await mkdir(join(root, '.uec'), { recursive: true })
  const folder = await mkdtemp(join(root, '.uec', 'types-'))
  try {
    await writeFile(join(folder, 'program.ts'), PROGRAM)
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
