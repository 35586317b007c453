// The child's side of measure/child.mjs.
import { createInterface } from 'node:readline'

/** Answers each line's request `do` with the function of that name; an error becomes its message. */
export async function serve(requests) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...request } = JSON.parse(line)
    let answer
    try {
      if (!Object.hasOwn(requests, name)) throw new Error(`cannot do "${name}"`)
      answer = (await requests[name](request)) ?? {}
    } catch (error) {
      answer = { error: String(error?.message ?? error) }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  process.exit()
}

/** Awaits `work` and says how long it took. */
export async function timed(work) {
  const start = performance.now()
  const result = await work()
  return { ms: performance.now() - start, result }
}
