/** Checks at the border: each argument is checked once here and never again further inside. */

import { invalid } from './errors.ts'

/** Refuses anything but an object whose every name is known. `undefined` counts as no options. */
export function checkOptions(owner: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${owner}: options must be an object, not ${describe(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw invalid(`${owner}: unknown option '${name}'; did you mean '${nearest(name, known)}'?`)
  }
}

/** One of a list of names. */
export function oneOf<Name extends string>(what: string, value: unknown, names: readonly Name[]): Name {
  const found = names.find((name) => name === value)
  if (found !== undefined) return found
  const hint = typeof value === 'string' ? `; did you mean '${nearest(value, names)}'?` : ''
  throw invalid(`${what} must be one of ${names.join(', ')}, not ${describe(value)}${hint}`)
}

/** An integer ≥ `least`, and ≤ `most` where that is given. */
export function integer(what: string, value: unknown, least: number, most?: number): number {
  const whole = value as number
  if (Number.isSafeInteger(value) && whole >= least && !(most !== undefined && whole > most)) return whole
  const range = most === undefined ? `>= ${least}` : `from ${least} to ${most}`
  throw invalid(`${what} must be an integer ${range}, not ${describe(value)}`)
}

/** A finite number. */
export function finite(what: string, value: unknown): number {
  if (Number.isFinite(value)) return value as number
  throw invalid(`${what} must be a finite number, not ${describe(value)}`)
}

/** A finite number ≥ 0. */
export function nonNegative(what: string, value: unknown): number {
  if (Number.isFinite(value) && (value as number) >= 0) return value as number
  throw invalid(`${what} must be a finite number >= 0, not ${describe(value)}`)
}

/** A finite number > 0. */
export function positive(what: string, value: unknown): number {
  if (Number.isFinite(value) && (value as number) > 0) return value as number
  throw invalid(`${what} must be a finite number > 0, not ${describe(value)}`)
}

/** true or false. */
export function boolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(`${what} must be true or false, not ${describe(value)}`)
}

/** A string, not empty. */
export function text(what: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw invalid(`${what} must be a string that is not empty, not ${describe(value)}`)
}

/** A function, or undefined. */
export function callback(what: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw invalid(`${what} must be a function, not ${describe(value)}`)
}

/** How an error message shows a wrong value: short, and never the whole of a large one. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `'${value.slice(0, 40)}…'` : `'${value}'`
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null)
    return `an object (${value.constructor?.name ?? 'no class'})`
  return typeof value === 'function' ? 'a function' : String(value)
}

/** The known name with the fewest edits from `name`. */
function nearest(name: string, known: readonly string[]): string {
  let best = ''
  let fewest = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const count = edits(name.toLowerCase().slice(0, 64), candidate.toLowerCase())
    if (count < fewest) {
      fewest = count
      best = candidate
    }
  }
  return best
}

/** Levenshtein distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
