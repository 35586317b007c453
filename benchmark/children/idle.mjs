// An event loop with nothing to do beside its timer, and the sequential reading of a file: yardsticks.
import { closeSync, openSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { gaps } from './gaps.mjs'
import { serve } from './serve.mjs'

const buffer = new Uint8Array(2 ** 20)

await serve({
  gaps: ({ seconds }) => gaps(() => sleep(seconds * 1000)),
  read({ file }) {
    const start = performance.now()
    const descriptor = openSync(file)
    while (readSync(descriptor, buffer) > 0);
    closeSync(descriptor)
    return { ms: performance.now() - start }
  },
})
