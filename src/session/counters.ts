/** Totals of the step plane since start; telemetry reads them when it is asked. */
import type { Latch } from './request-hub.ts'

export type GuardCounters = {
  steps: number
  awaitedSteps: number
  tokens: number
  openedRows: number
  closedRows: number
  evictedRows: number
  rewinds: number
  gaps: number
  divergences: number
  violations: number
  /** Rows whose program this sidecar does not know (from before a restart). */
  foreignPrograms: number
  /** Rows that a policy bans something for, opened without any program. */
  unmaskedRows: number
  /** Tokens and closings for rows that are not open: benign after a reconnect. */
  unknownRows: number
  decisions: number
  directives: number
  stops: number
  latched: Record<Latch, number>
  /** Time in `step`, microseconds: cumulative counts at STEP_BOUNDS_US and +Inf, and the sum. */
  stepUsBuckets: number[]
  stepUsSum: number
}

export const STEP_BOUNDS_US = [10, 20, 50, 100, 200, 500, 1_000, 5_000] as const

export function createCounters(): GuardCounters {
  return {
    steps: 0,
    awaitedSteps: 0,
    tokens: 0,
    openedRows: 0,
    closedRows: 0,
    evictedRows: 0,
    rewinds: 0,
    gaps: 0,
    divergences: 0,
    violations: 0,
    foreignPrograms: 0,
    unmaskedRows: 0,
    unknownRows: 0,
    decisions: 0,
    directives: 0,
    stops: 0,
    latched: {
      divergence: 0,
      violation: 0,
      gap: 0,
      unmasked: 0,
      engine_lost: 0,
      evicted: 0,
      refused: 0,
      failed: 0,
    },
    stepUsBuckets: Array.from({ length: STEP_BOUNDS_US.length + 1 }, () => 0),
    stepUsSum: 0,
  }
}

export function countStep(counters: GuardCounters, us: number): void {
  const { stepUsBuckets } = counters
  counters.stepUsSum += us
  for (let i = 0; i < stepUsBuckets.length; i++) {
    const bound = STEP_BOUNDS_US.at(i) ?? Infinity
    if (us <= bound) stepUsBuckets[i] = (stepUsBuckets[i] ?? 0) + 1
  }
}
