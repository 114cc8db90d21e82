/**
 * An attached engine worker: how it introduced itself, what it counts, and the seat that it takes
 * at the guard. The nouns cross rooms: step reads them from the wire, guard answers, telemetry shows.
 */
import type { RowDirective } from './directive.ts'
import type { Step } from './step.ts'

/** What a `Hello` said, checked against every bound. Digests are lower-case hex. */
export type EngineInfo = {
  /** Unique per live worker: `<host>/<pid>/dp<rank>`. */
  readonly id: string
  readonly name: string
  readonly version: string
  readonly runner: string
  readonly model: string
  readonly protocolMinor: number
  readonly logitsWidth: number
  /** Over the names of control tokens too, where the engine tells them. */
  readonly vocabularyDigest: string
  /** Over the texts alone: what the chunks of the vocabulary are marked with. */
  readonly textDigest: string
  readonly endTokenIds: readonly number[]
  /** Upper bound of simultaneously live rows. */
  readonly slots: number
  readonly tensorParallelSize: number
  readonly dataParallelRank: number
  readonly capabilities: readonly string[]
  /** Programs that the engine kept over a reconnect. */
  readonly heldPrograms: readonly string[]
}

export const BREAKER_STATES = ['unspecified', 'closed', 'open', 'half_open'] as const
export type BreakerState = (typeof BREAKER_STATES)[number]

/** Upper bounds in microseconds of the plugin's histograms; the last bucket is +Inf. */
export const STATS_BOUNDS_US = [50, 100, 200, 400, 800, 1_600, 5_000, 20_000] as const

/** The plugin's own totals since its worker started. */
export type EngineStats = {
  readonly steps: number
  readonly awaitedSteps: number
  readonly missedDeadlines: number
  readonly droppedSteps: number
  readonly lateDirectives: number
  readonly lateForces: number
  readonly errors: number
  readonly emptyRows: number
  readonly reconnects: number
  readonly breaker: BreakerState
  /** Cumulative counts at STATS_BOUNDS_US and +Inf. */
  readonly waitUsBucket: readonly number[]
  readonly applyUsBucket: readonly number[]
  readonly waitUsSum: number
  readonly applyUsSum: number
  readonly openRows: number
  readonly lastError: string
}

/** A compiled program as it travels: the blob and its SHA-256 in hex. */
export type ProgramImage = { readonly digest: string; readonly blob: Uint8Array }

/**
 * Where a row stands in its program (docs/token-programs.md): the packed state. In a program of
 * matches, once one is open: the packed state, then the open matches, rising. Never changed in place.
 */
export type ProgramState = number | readonly number[]

/** The programs in force for one vocabulary; every change has a higher revision. */
export type ProgramSet = {
  readonly revision: number
  /** For rows without an identity; empty when no policy bans anything. */
  readonly defaultProgram: string
  readonly programs: readonly ProgramImage[]
}

/** The engine's answer to a program that it was sent. */
export type ProgramStatus = {
  readonly digest: string
  readonly ready: boolean
  readonly error: string
}

/** What one step made of the rows. */
export type StepOutcome = {
  /** Only rows whose directive changes. */
  readonly rows: readonly RowDirective[]
  /** More of the same a little later, when a rule waits for a verdict. Never rejects. */
  readonly late?: Promise<readonly RowDirective[]>
}

/**
 * One attached engine at the guard. `step` is synchronous: the engine may be blocked while it runs.
 * No method may throw for anything that a client can cause, except GuardError for a broken protocol.
 */
export interface EngineSeat {
  step(step: Step): StepOutcome
  stats(stats: EngineStats): void
  programStatus(status: ProgramStatus): void
  /** Closes all rows of the engine. Harmless when called twice. */
  detach(): void
}
