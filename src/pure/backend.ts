/** The backend in plain TypeScript: reference, fallback, and baseline of the benchmark. */

import type { Backend } from '../backend.ts'
import { convolve } from './convolution.ts'
import { PureIndexStore } from './index-store.ts'
import { allPairs, pairwise } from './similarity.ts'

export const pureBackend: Backend = {
  name: 'pure',
  pairwise,
  allPairs,
  convolve,
  createIndex: (plan) => new PureIndexStore(plan),
  openIndex: (file, { readonly }, signal) => PureIndexStore.open(file, readonly, signal),
}
