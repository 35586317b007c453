/** How an index keeps its rows. */

/**
 * How the numbers of a row are kept. float32 as they are. The others are lossy, with a scale for the means and one for
 * the variances of each row: float16 in 2 bytes a number, with a relative error of at most 2⁻¹¹ for all but numbers
 * below 2⁻²⁸ of the row's largest; int8 in 1 byte, to within 1/254 (variances 1/510) of the row's largest.
 */
export type Storage = 'float32' | 'float16' | 'int8'

/** What finds the rows that a search looks at closely: nothing more than the rows, or an int8 copy of their means. */
export type Prefilter = 'none' | 'int8'

/** @internal By their number in a file. */
export const STORAGES = ['float32', 'float16', 'int8'] as const satisfies readonly Storage[]

/** @internal */
export const PREFILTERS = ['none', 'int8'] as const satisfies readonly Prefilter[]

/** @internal What an index keeps. */
export interface IndexPlan {
  /** D. */
  readonly dimension: number
  readonly storage: Storage
  /** Other than 'none' with storage 'float32' alone. */
  readonly prefilter: Prefilter
  /** Of what makes the rows. */
  readonly fingerprint: string | undefined
}
