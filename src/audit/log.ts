/**
 * The decision log on disk or stdout: one JSON line per decision, through pino and a bounded queue.
 * Whoever decides hands a record over and never waits; at the bound records are dropped, counted, and
 * the next line that is written says how many.
 */
import { setImmediate } from 'node:timers'
import { pino } from 'pino'
import type { DestinationStream } from 'pino'
import type { DecisionRecord } from './decision-log.ts'

export type DecisionLog = {
  /** Never throws, never waits. */
  write(record: DecisionRecord): void
  /** Records that were never written. */
  readonly dropped: number
  readonly queued: number
  /** Writes what is queued, to the end; what comes later is dropped and counted. */
  close(): void
}

/** Lines written in one go before the event loop runs again. */
const BATCH = 256

export function createDecisionLog(
  destination: DestinationStream,
  options: { readonly maxQueued?: number } = {},
): DecisionLog {
  const { maxQueued = 10_000 } = options
  const levelled = { level: (level: string) => ({ level }) }
  const log = pino({ base: null, timestamp: false, formatters: levelled }, destination)
  const queue: DecisionRecord[] = []
  let dropped = 0
  let untold = 0
  let isScheduled = false
  let isClosed = false

  const drain = (limit: number): void => {
    for (const record of queue.splice(0, limit)) log.info(record)
    if (untold === 0) return
    log.info({ kind: 'dropped', count: untold, total: dropped })
    untold = 0
  }
  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      drain(BATCH)
      if (queue.length > 0) schedule()
    })
  }
  return {
    write: (record) => {
      if (isClosed || queue.length >= maxQueued) {
        dropped++
        untold++
        return
      }
      queue.push(record)
      schedule()
    },
    get dropped() {
      return dropped
    },
    get queued() {
      return queue.length
    },
    close: () => {
      isClosed = true
      drain(queue.length)
      flush(destination)
    },
  }
}

/** pino's own files write behind: the process may end before they have. */
function flush(destination: DestinationStream & { flushSync?(): void; end?(): void }): void {
  try {
    destination.flushSync?.()
  } catch {
    // The file is still being opened: it writes what it has, then closes.
    destination.end?.()
  }
}

/** `stdout`, or a file that is appended to; its folder is made. */
export const decisionDestination = (target: string): DestinationStream =>
  target === 'stdout'
    ? pino.destination(1)
    : pino.destination({ dest: target, mkdir: true, sync: false })
