/** No command writes over what it reads. */
import { resolve } from 'node:path'
import { UsageError } from '../exit.ts'

/** A UsageError where `output` is one of `inputs`; `-` is a stream and may be both. */
export function refuseOverwrite(
  output: string,
  inputs: readonly (string | undefined)[],
  option = '-o',
): void {
  if (output === '-') return
  const path = resolve(output)
  if (inputs.some((input) => input !== undefined && input !== '-' && resolve(input) === path))
    throw new UsageError(
      `${option} ${output}: this is an input, which would be written over; choose another name`,
    )
}
