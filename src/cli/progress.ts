/** What a person sees while work runs, on standard error: bars in a terminal, plain lines elsewhere, nothing with --json. */
import { SingleBar } from 'cli-progress'

/** The part of a stream that is used. */
export interface Sink {
  write(text: string): unknown
  isTTY?: boolean
}

/** One piece of work with a name. */
export interface Phase {
  update(done: number, total?: number): void
  /** Ends the phase; `note` says what came of it. */
  end(note?: string): void
}

export interface PhaseTime {
  phase: string
  seconds: number
}

export class Reporter {
  readonly times: PhaseTime[] = []
  readonly #sink: Sink
  readonly #quiet: boolean
  readonly #start = performance.now()
  #bar: SingleBar | undefined

  constructor({ quiet = false, sink = process.stderr }: { quiet?: boolean; sink?: Sink } = {}) {
    this.#sink = sink
    this.#quiet = quiet
  }

  /** Seconds since the reporter was made. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  line(text: string): void {
    if (!this.#quiet) this.#sink.write(`${text}\n`)
  }

  phase(name: string): Phase {
    const start = performance.now()
    const bar = this.#startBar(name)
    if (!bar) this.line(`${name} …`)
    return {
      update: (done, total) => {
        if (total !== undefined) bar?.setTotal(total)
        bar?.update(done)
      },
      end: (note) => {
        const seconds = (performance.now() - start) / 1000
        this.times.push({ phase: name, seconds })
        this.#stopBar()
        this.line(`${name}: ${note ? `${note}, ` : ''}${seconds.toFixed(1)} s`)
      },
    }
  }

  /** Runs `work` as a phase; the bar goes also where it fails. */
  async run<T>(name: string, work: (phase: Phase) => Promise<T>, note?: (result: T) => string): Promise<T> {
    const phase = this.phase(name)
    try {
      const result = await work(phase)
      phase.end(note?.(result))
      return result
    } finally {
      this.#stopBar()
    }
  }

  #startBar(name: string): SingleBar | undefined {
    if (this.#quiet || !this.#sink.isTTY) return undefined
    this.#bar = new SingleBar({
      format: `${name} {bar} {value}/{total}  {duration_formatted}`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
    })
    this.#bar.start(0, 0)
    return this.#bar
  }

  #stopBar(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
