/**
 * Which index files are open for writing. Node has no file locks, so this keeps the writers of one JavaScript thread
 * apart, and no others: another thread or process that writes to the same file is not seen.
 */

import { UecError } from '../../errors.ts'

/** By real path. An owner that nobody holds any more holds no lock. */
const owners = new Map<string, WeakRef<object>>()

/** Takes the lock of a file. Throws ERR_FILE_LOCKED where another has it. */
export function lock(file: string, owner: object): void {
  if (owners.get(file)?.deref()) {
    const remedy = 'Dispose that one first, or open it with readonly: true'
    throw new UecError('ERR_FILE_LOCKED', `${file} is open for writing in another index. ${remedy}`)
  }
  owners.set(file, new WeakRef(owner))
}

export function unlock(file: string, owner: object): void {
  if (owners.get(file)?.deref() === owner) owners.delete(file)
}
