// A program that does the work and times it: one JSON object per line in, one per line out, in order.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Why something was not measured, as a sentence for the table. */
export class Unavailable extends Error {}

/** Does `work` with a program, or with the promise of one, and ends the program. */
export async function during(child, work) {
  const program = await child
  try {
    return await work(program)
  } finally {
    await program.end()
  }
}

export class Child {
  #process
  #waiting = []
  #stderr = ''
  #gone

  constructor(command, args = [], env = {}) {
    this.#process = spawn(command, args, { stdio: 'pipe', env: { ...process.env, ...env } })
    createInterface({ input: this.#process.stdout }).on('line', (line) =>
      this.#waiting.shift()?.resolve(line),
    )
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-2000)
    })
    this.#process.stdin.on('error', () => {}) // the end of the process says more
    this.#process.on('error', (error) => this.#fail(error.message))
    this.#process.on('close', (code, signal) =>
      this.#fail(
        `${this.#stderr.trim().split('\n').at(-1) || 'no message'} (${signal ?? `exit code ${code}`})`,
      ),
    )
  }

  #fail(reason) {
    this.#gone ??= reason
    for (const { reject } of this.#waiting.splice(0)) reject(new Unavailable(this.#gone))
  }

  /** The answer to a request; an answer that names an error, and the end of the program, are `Unavailable`. */
  async ask(request) {
    if (this.#gone) throw new Unavailable(this.#gone)
    const line = await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    })
    const answer = JSON.parse(line)
    if (answer.error) throw new Unavailable(answer.error)
    return answer
  }

  /** Ends the program and frees its memory. */
  async end() {
    if (this.#gone) return
    const closed = new Promise((resolve) => this.#process.once('close', resolve))
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    await closed
    clearTimeout(timer)
  }
}
