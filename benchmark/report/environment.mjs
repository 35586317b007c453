// What a result depends on, without naming the machine: CPU features, counts, versions.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { during } from '../measure/child.mjs'

const line = (command, ...args) => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

const version = (url) => {
  try {
    return JSON.parse(readFileSync(new URL(url, import.meta.url), 'utf8')).version
  } catch {
    return undefined
  }
}

/** Asks the programs of `bench` what they are. */
export async function environment(bench) {
  const changed = line('git', 'status', '--porcelain', '--untracked-files=no')
  const peers = ['simsimd', 'usearch'].map((name) => [
    name,
    version(`../peers/node_modules/${name}/package.json`),
  ])
  const python = await bench.attempt([], () => during(bench.python(1), (child) => child.ask({ do: 'info' })))
  const { features } = await during(bench.rust(), (rust) => rust.ask({ do: 'info' }))
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${line('git', 'rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`,
    system: `${process.platform} ${process.arch}`,
    features,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: bench.load,
    versions: {
      uec: version('../../package.json'),
      node: process.versions.node,
      rustc: line('rustc', '--version')?.split(' ')[1],
      'onnxruntime-node': version('../../node_modules/onnxruntime-node/package.json'),
      ...Object.fromEntries(peers),
      ...python,
    },
  }
}

/** One line for figures and tables. */
export function describe({ date, commit, system, features, cores, versions }) {
  return `${system} with ${features.join(', ')}; ${cores} cores; uec ${versions.uec} (${commit}), ${date}`
}
