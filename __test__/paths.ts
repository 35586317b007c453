/** Where the models and reference values of the tests lie. */
import { fileURLToPath } from 'node:url'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export const model = (name: string) => at(`../models/${name}`)
export const tiny = (name: string) => at(`fixtures/models/${name}`)
export const root = at('..')
export const MINILM = model('minilm-l6-en')
