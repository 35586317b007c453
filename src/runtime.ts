// Process-wide settings: compute threads and where the ONNX Runtime library is.
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { call } from './job.ts'
import { optionalNative } from './native.ts'
import { checkOptions, integer, text } from './options.ts'

export const packageVersion = (createRequire(import.meta.url)('../package.json') as { version: string })
  .version

let configured: string | undefined

/** More are of no use, and each costs memory. @internal */
export const MOST_THREADS = 1024

/** Sets the compute threads and the path of the ONNX Runtime library, before first use. */
export function configure(options: { threads?: number; runtime?: string }): void {
  checkOptions('configure', options, ['threads', 'runtime'])
  const { threads, runtime } = options ?? {}
  if (runtime !== undefined) text('runtime', runtime)
  if (threads !== undefined) {
    integer('threads', threads, 1, MOST_THREADS)
    call(() => optionalNative()?.setThreads(threads)) // uec/pure computes in the one thread that there is
  }
  if (runtime !== undefined) configured = runtime
}

export interface Capabilities {
  /** Of what computes: the binary's, or this package's in plain TypeScript. */
  version: string
  /** Whether the addon computes; false where no binary fits and plain TypeScript does. */
  native: boolean
  /** CPU features that this machine offers to the kernels. */
  simd: readonly string[]
  threads: number
  /** Path and version of the ONNX Runtime library, once it is loaded. */
  runtime?: string
}

/** What computes here. */
export function capabilities(): Capabilities {
  const binding = optionalNative()
  if (!binding) return { version: packageVersion, native: false, simd: [], threads: 1 }
  const { simd, threads, runtime } = call(() => binding.capabilities())
  return {
    version: packageVersion,
    native: true,
    simd,
    threads,
    ...(runtime !== undefined && { runtime }),
  }
}

/** The user's choice of the ONNX Runtime library, and where else it may be: in the application's onnxruntime-node. @internal */
export function runtimeSearch(path?: string): { runtime?: string; runtimeCandidates: string[] } {
  const runtime = path ?? configured
  return { ...(runtime !== undefined && { runtime }), runtimeCandidates: installed() }
}

/**
 * Seen from this package and from the program that runs. Never from the working directory: a library found there would
 * run the code of whoever wrote that folder.
 */
function installed(): string[] {
  return [import.meta.url, process.argv[1]].flatMap((from) => {
    if (from === undefined) return []
    try {
      const folder = join(
        dirname(createRequire(from).resolve('onnxruntime-node/package.json')),
        'bin/napi-v6',
        process.platform,
        process.arch,
      )
      return library(folder)
    } catch {
      return []
    }
  })
}

const LIBRARY: Partial<Record<NodeJS.Platform, RegExp>> = {
  linux: /^libonnxruntime\.so(\.\d+)*$/,
  darwin: /^libonnxruntime(\.\d+)*\.dylib$/,
  win32: /^onnxruntime\.dll$/,
}

function library(folder: string): string[] {
  const pattern = LIBRARY[process.platform]
  if (!pattern || !existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
}
