// Opens damaged indexes and journals: node open-damaged.mjs <base|journal> <native|pure> <folder> <first seed> <count>.
// Damage that no checksum was made to fit must be found, or do nothing: an index that works gives the answers of the sound one.
// Prints what came out as JSON.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { attempts } from './attempts.mjs'
import { damageIndex, damageJournal, recordEnds } from './mutations.mjs'
import { rowOf, rowsOf } from './rows.mjs'

const [what, name, folder, first, count] = process.argv.slice(2)
const { GaussianBatch, GaussianIndex } = await import(
  { native: '../../dist/index.js', pure: '../../dist/pure/index.js' }[name]
)

const file = join(folder, `damaged-${name}.uec`)
const journal = `${file}.journal`
const queries = new GaussianBatch(rowsOf(['one', 'two'], 0))

/** What an index answers, as text. Throws where it is nonsense by itself. */
async function answers(index) {
  const hits = await index.search(queries, { k: 20, score: 'uec' })
  await index.verify()
  const ids = index.ids()
  const some = ids.filter((_, i) => i < 50 || i % 97 === 0)
  const rows = some.map((id) => {
    const { mean, variance } = index.get(id)
    const sound = mean.every(Number.isFinite) && variance.every((x) => Number.isFinite(x) && x >= 0)
    if (!sound || mean.every((x) => x === 0)) throw new Error(`the row of ${id}`)
    return [...mean, ...variance].join()
  })
  const found = Array.from({ length: hits.queries }, (_, q) => hits.of(q))
  if (found.flat().some(({ score }) => Number.isNaN(score))) throw new Error('a score is NaN')
  return JSON.stringify([index.fingerprint, index.storage, index.prefilter, index.size, found, ids, rows])
}

async function open(options) {
  const index = await GaussianIndex.open(file, options)
  try {
    return await answers(index)
  } finally {
    index.dispose()
  }
}

const read = (name) => readFileSync(join(folder, name))
const pick = (next, list) => list[Math.floor(next() * list.length)]

if (what === 'base') {
  const cases = []
  for (const name of ['float32', 'float16', 'int8', 'prefilter', 'blocks', 'empty']) {
    const whole = read(`${name}.uec`)
    writeFileSync(file, whole)
    cases.push({ whole, other: read(`${name}-other.uec`), sound: await open({ readonly: true }) })
  }
  await attempts(folder, Number(first), Number(count), (next) => {
    const { whole, other, sound } = pick(next, cases)
    const { bytes, forged } = damageIndex(next, whole, other)
    writeFileSync(file, bytes)
    rmSync(journal, { force: true })
    const options = { readonly: next() < 0.7, mmap: next() < 0.6 }
    return async () => {
      const found = await open(options)
      if (!forged && found !== sound && !bytes.equals(other))
        throw new Error(`wrong answers: ${found.slice(0, 400)}`)
    }
  })
} else {
  const base = read('journal.uec')
  const [whole, other] = [read('journal.uec.journal'), read('float32.uec.journal')]
  const states = JSON.parse(read('journal.json'))
  const ends = recordEnds(whole)
  if (ends.length !== states.length) throw new Error(`${ends.length} ends of ${states.length} states`)
  const sound = (index, least) => {
    const ids = index.ids()
    const is = (state) =>
      state.length === ids.length &&
      state.every(([id, version], i) => {
        const [wanted, row] = [rowOf(id, version), index.get(id)]
        return (
          ids[i] === id &&
          row.mean.join() === wanted.mean.join() &&
          row.variance.join() === wanted.variance.join()
        )
      })
    const at = states.findLastIndex(is)
    if (at < least) throw new Error(`wrong answers: state ${at}, but ${least} changes were acknowledged`)
  }
  await attempts(folder, Number(first), Number(count), (next) => {
    const acknowledged = pick(next, [0, 1, 2, states.length - 2, states.length - 1, states.length - 1])
    const { bytes, forged } = damageJournal(next, whole, other, ends[acknowledged])
    writeFileSync(file, base)
    writeFileSync(journal, bytes)
    const least = bytes.length === 0 ? 0 : acknowledged // of length 0, a journal is new
    const options = { readonly: next() < 0.5, mmap: next() < 0.5 }
    return async () => {
      const index = await GaussianIndex.open(file, options)
      try {
        if (forged) await answers(index)
        else sound(index, least)
        if (options.readonly) return
        // What was cut off stays away, and what comes now stays.
        await index.add(['new'], new GaussianBatch(rowsOf(['new'], 1)))
        const ids = index.ids().join()
        index.dispose()
        const again = await GaussianIndex.open(file, { readonly: true })
        if (again.ids().join() !== ids) throw new Error(`${again.ids()} in place of ${ids}`)
        again.dispose()
      } finally {
        index.dispose()
      }
    }
  })
}
