// Changes an index in a file until it is killed:
// node write-forever.mjs <native|pure> <file> <seed> <the ids in it, a JSON file>
// Prints each change before it is made, as `{"change":…}`, and `done <number>` when that one was acknowledged.
import { readFileSync, writeSync } from 'node:fs'
import { random } from './random.mjs'
import { rowsOf } from './rows.mjs'

const [name, file, seed, known] = process.argv.slice(2)
const { GaussianBatch, GaussianIndex } = await import(
  { native: '../../dist/index.js', pure: '../../dist/pure/index.js' }[name]
)
const next = random(Number(seed))
const upTo = (n) => Math.floor(next() * n)
const say = (line) => writeSync(1, `${line}\n`)

const index = await GaussianIndex.open(file, { mmap: next() < 0.5 })
const ids = new Set(JSON.parse(readFileSync(known, 'utf8')))
say('ready')

function plan() {
  const kind = next()
  if (kind < 0.06) return { kind: 'save', ids: [], version: 0 }
  const few = 1 + upTo(next() < 0.2 ? 1200 : 60)
  const there = [...ids]
  const start = upTo(there.length)
  if (kind < 0.4 || there.length > 2500)
    return { kind: 'remove', ids: there.slice(start, start + few), version: 0 }
  const version = upTo(1e6)
  const replaced = there.slice(start, start + upTo(few))
  const added = Array.from({ length: few }, (_, i) => `${seed}-${version}-${i}`).filter((id) => !ids.has(id))
  return { kind: 'add', ids: [...replaced, ...added], version }
}

let number = 0
async function change() {
  const planned = plan()
  say(JSON.stringify(planned))
  const mine = number++
  let call
  if (planned.kind === 'save') call = index.save(file)
  else if (planned.kind === 'remove') call = index.remove(planned.ids)
  else call = index.add(planned.ids, new GaussianBatch(rowsOf(planned.ids, planned.version)))
  for (const id of planned.ids) {
    if (planned.kind === 'add') ids.add(id)
    else ids.delete(id)
  }
  await call
  say(`done ${mine}`)
}
// One after the other, or a few in one go: they take effect in the order of the calls.
for (;;) await Promise.all(Array.from({ length: 1 + upTo(next() < 0.3 ? 4 : 1) }, change))
