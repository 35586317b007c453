// Saves two contents in turn to one place until it is killed: node save-forever.mjs <kind> <target> <content> <content>
// With a fifth argument n it saves the first one only, and kills itself right before its n-th change of the file system by
// Node; where there are fewer, it says how many.
import { writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const [kind, target, first, second, last] = process.argv.slice(2)

let counting = false
let steps = 0
for (const name of ['mkdir', 'cp', 'writeFile', 'rename', 'rm']) {
  const original = fs[name]
  fs[name] = (...args) => {
    if (counting && ++steps === Number(last)) process.kill(process.pid, 'SIGKILL')
    return original(...args)
  }
}
syncBuiltinESMExports()

const { Ensemble, GaussianIndex, Posterior } = await import('../../dist/index.js')
const read = {
  index: (file) => GaussianIndex.open(file),
  posterior: (file) => Posterior.load(file),
  ensemble: (directory) => Ensemble.load(directory),
}[kind]
const contents = await Promise.all([first, second].map(read))
counting = true
writeSync(1, 'ready\n')
if (last) {
  await contents[0].save(target)
  writeSync(1, `${steps}\n`)
} else for (let i = 0; ; i++) await contents[i % contents.length].save(target)
