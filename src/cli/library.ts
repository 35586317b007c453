/**
 * The library, loaded by the commands that compute, so that help and usage errors need no binary.
 *
 * In a file of its own: TypeScript 5.9 leaves the extension of `import('….ts')` as it is in functions that also have `using`.
 */
export const library = () => import('../index.ts')

export const ensembleFile = () => import('../ensemble-file.ts')

export const ensembleVerify = () => import('../ensemble-verify.ts')
