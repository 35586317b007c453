/** Which ids a search may return. */

import { invalid } from './errors.ts'
import { describe } from './options.ts'

/** A set of ids made by `GaussianIndex.filter`. It stays valid when the index changes: ids that left are ignored. */
export interface IndexFilter {
  /** Number of ids. */
  readonly size: number
}

/** @internal The one implementation of {@link IndexFilter}. */
export class IdFilter implements IndexFilter {
  readonly ids: readonly string[]

  constructor(ids: readonly string[]) {
    this.ids = ids
  }

  get size(): number {
    return this.ids.length
  }
}

/** @internal The ids of a filter option. */
export function filterIds(filter: readonly string[] | ReadonlySet<string> | IndexFilter): readonly string[] {
  if (filter instanceof IdFilter) return filter.ids
  if (!Array.isArray(filter) && !(filter instanceof Set)) {
    throw invalid(
      `filter must be an array or a Set of ids, or come from index.filter(), not ${describe(filter)}`,
    )
  }
  const ids: string[] = [...filter]
  const wrong = ids.find((id) => typeof id !== 'string')
  if (wrong !== undefined) throw invalid(`filter holds ${describe(wrong)}: ids are strings`)
  return ids
}
