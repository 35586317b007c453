/** How fast work goes, and how long it will take: over the whole of it, from the first number on. */
export class Pace {
  readonly #unit: string
  #first: { done: number; time: number } | undefined
  #rate = 0
  #left: number | undefined

  constructor(unit: string) {
    this.#unit = unit
  }

  /** `done` of `total` (unknown if undefined) at `time` in milliseconds. */
  update(done: number, total: number | undefined, time: number): void {
    this.#first ??= { done, time }
    const seconds = (time - this.#first.time) / 1000
    this.#rate = seconds > 0 ? (done - this.#first.done) / seconds : 0
    this.#left = total === undefined || this.#rate === 0 ? undefined : Math.max(0, total - done) / this.#rate
  }

  /** Such as `85 pairs/s, 1:30 left`; empty as long as nothing is known. */
  get text(): string {
    if (this.#rate === 0) return ''
    const rate = `${this.#rate < 10 ? this.#rate.toFixed(1) : Math.round(this.#rate)} ${this.#unit}/s`
    return this.#left === undefined ? rate : `${rate}, ${clock(this.#left)} left`
  }
}

/** Seconds as h:mm:ss, or m:ss. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}
