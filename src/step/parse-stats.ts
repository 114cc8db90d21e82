/** `Stats` and `ProgramStatus` from the wire: numbers for display only, so odd ones become zero. */
import { BREAKER_STATES, STATS_BOUNDS_US } from '../model/engine.ts'
import type { EngineStats, ProgramStatus } from '../model/engine.ts'
import { digest } from './bounds.ts'
import type { WireProgramStatus, WireStats } from './wire.ts'

const MAX_ERROR_CHARS = 512
const BUCKETS = STATS_BOUNDS_US.length + 1

export function parseStats(wire: WireStats): EngineStats {
  return {
    steps: count(wire.steps),
    awaitedSteps: count(wire.awaitedSteps),
    missedDeadlines: count(wire.missedDeadlines),
    droppedSteps: count(wire.droppedSteps),
    lateDirectives: count(wire.lateDirectives),
    lateForces: count(wire.lateForces),
    errors: count(wire.errors),
    emptyRows: count(wire.emptyRows),
    reconnects: count(wire.reconnects),
    breaker: BREAKER_STATES[wire.breaker] ?? 'unspecified',
    waitUsBucket: buckets(wire.waitUsBucket),
    applyUsBucket: buckets(wire.applyUsBucket),
    waitUsSum: count(wire.waitUsSum),
    applyUsSum: count(wire.applyUsSum),
    openRows: count(wire.openRows),
    lastError: plain(wire.lastError),
  }
}

export function parseProgramStatus(wire: WireProgramStatus): ProgramStatus {
  return {
    digest: digest(wire.digest, 'ProgramStatus.digest', 'required'),
    ready: wire.ready,
    error: plain(wire.error),
  }
}

function count(value: number): number {
  return Number.isFinite(value) && value >= 0 ? value : 0
}

function buckets(values: readonly number[]): readonly number[] {
  return Array.from({ length: BUCKETS }, (_, i) => count(values[i] ?? 0))
}

function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.slice(0, MAX_ERROR_CHARS).replace(/[\u0000-\u001f\u007f]/g, ' ')
}
