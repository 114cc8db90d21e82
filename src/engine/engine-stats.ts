/** The engine side's own counters, as the sidecar's /metrics shows them. Totals since the start. */
import { STATS_BOUNDS_US } from '../model/engine.ts'
import type { WireStats } from '../step/wire.ts'
import type { BreakerState } from './breaker.ts'

const BREAKER = { closed: 1, open: 2, half_open: 3 } as const
const MAX_ERROR_BYTES = 512

class Histogram {
  readonly #counts: number[] = Array.from({ length: STATS_BOUNDS_US.length + 1 }, () => 0)
  sum = 0

  add(us: number): void {
    const at = STATS_BOUNDS_US.findIndex((bound) => us <= bound)
    const bucket = at < 0 ? STATS_BOUNDS_US.length : at
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.sum += us
  }

  cumulative(): number[] {
    let total = 0
    return this.#counts.map((count) => (total += count))
  }
}

export class EngineStats {
  steps = 0
  awaitedSteps = 0
  missedDeadlines = 0
  droppedSteps = 0
  lateDirectives = 0
  lateForces = 0
  errors = 0
  emptyRows = 0
  reconnects = 0
  openRows = 0
  breaker: BreakerState = 'closed'
  lastError = ''
  readonly wait = new Histogram()
  readonly apply = new Histogram()

  note(error: unknown): void {
    this.errors++
    this.say(error)
  }

  /** Remembered but not counted: it only says that nobody listens. */
  say(error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.lastError = new TextDecoder().decode(
      new TextEncoder().encode(text).subarray(0, MAX_ERROR_BYTES),
    )
  }

  message(): WireStats {
    return {
      steps: this.steps,
      awaitedSteps: this.awaitedSteps,
      missedDeadlines: this.missedDeadlines,
      droppedSteps: this.droppedSteps,
      lateDirectives: this.lateDirectives,
      lateForces: this.lateForces,
      errors: this.errors,
      emptyRows: this.emptyRows,
      reconnects: this.reconnects,
      openRows: this.openRows,
      breaker: BREAKER[this.breaker],
      lastError: this.lastError,
      waitUsBucket: this.wait.cumulative(),
      applyUsBucket: this.apply.cumulative(),
      waitUsSum: this.wait.sum,
      applyUsSum: this.apply.sum,
    }
  }
}
