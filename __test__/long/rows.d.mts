export const DIMENSION: number
export function rowOf(id: string, version: number): { mean: number[]; variance: number[] }
export function rowsOf(
  ids: readonly string[],
  version: number,
): { mean: Float32Array; variance: Float32Array; dimension: number }
