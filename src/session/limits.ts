/** Bounds of the step plane's memory; what happens at each stands beside it. */
export type GuardLimits = {
  /** Rows of all engines together; a row past it is refused by its policy's on_failure. */
  readonly sessions: number
  /** Requests known by id; past it the quietest is forgotten and counted. */
  readonly requests: number
  /** Bytes of text kept of one row; past it the row is walked but no longer read. */
  readonly textBytes: number
  /** A row that was not heard of for so long is evicted and counted. */
  readonly silentMs: number
  /** An awaited step is answered at the latest after this, whatever is still open. */
  readonly waitMs: number
}

export const DEFAULT_LIMITS: GuardLimits = {
  sessions: 16_384,
  requests: 16_384,
  textBytes: 4 * 1024 * 1024,
  silentMs: 10 * 60 * 1_000,
  waitMs: 15,
}
