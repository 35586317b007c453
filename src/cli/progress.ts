/** What a person sees while work runs, on standard error: bars in a terminal, plain lines elsewhere, nothing with --json. */
import { SingleBar } from 'cli-progress'
import { Pace } from './pace.ts'

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

/** Between two lines about a phase where there is no terminal. */
const LINE_SECONDS = 30

export interface PhaseTime {
  phase: string
  seconds: number
}

export class Reporter {
  readonly times: PhaseTime[] = []
  readonly #sink: Sink
  readonly #quiet: boolean
  readonly #lineSeconds: number
  readonly #start = performance.now()
  #bar: SingleBar | undefined

  constructor({
    quiet = false,
    sink = process.stderr,
    lineSeconds = LINE_SECONDS,
  }: { quiet?: boolean; sink?: Sink; lineSeconds?: number } = {}) {
    this.#sink = sink
    this.#quiet = quiet
    this.#lineSeconds = lineSeconds
  }

  /** Seconds since the reporter was made. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  line(text: string): void {
    if (!this.#quiet) this.#sink.write(`${text}\n`)
  }

  phase(name: string, unit = 'texts'): Phase {
    const start = performance.now()
    const pace = new Pace(unit)
    const bar = this.#startBar(name)
    if (!bar) this.line(`${name} …`)
    let told = start
    return {
      update: (done, total) => {
        const now = performance.now()
        pace.update(done, total, now)
        if (total !== undefined) bar?.setTotal(total)
        bar?.update(done, { pace: pace.text })
        if (bar || now - told < 1000 * this.#lineSeconds) return
        told = now
        const state = `${total === undefined ? done : `${done} of ${total}`} ${unit}`
        this.line([`${name}: ${state}`, pace.text].filter(Boolean).join(', '))
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
  async run<T>(
    name: string,
    work: (phase: Phase) => Promise<T>,
    note?: (result: T) => string,
    unit?: string,
  ): Promise<T> {
    const phase = this.phase(name, unit)
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
      format: `${name} {bar} {value}/{total}  {duration_formatted}  {pace}`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
    })
    this.#bar.start(0, 0, { pace: '' })
    return this.#bar
  }

  #stopBar(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
