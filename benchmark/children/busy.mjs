// A foreign process that computes all the time.
import { serve } from './serve.mjs'

await serve({
  ready() {},
  spin({ seconds }) {
    const end = performance.now() + (seconds + 0.5) * 1000
    while (performance.now() < end);
  },
})
