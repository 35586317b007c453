/** What every command is given. */
export interface Context {
  /** Aborts with `Interrupted` on Ctrl-C. */
  readonly signal: AbortSignal
}
