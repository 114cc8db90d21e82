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
  /** Resolves when all that was queued is written; what comes later is dropped and counted. */
  close(): Promise<void>
}

/** Lines written in one go before the event loop runs again. */
const BATCH = 256

export function createDecisionLog(
  destination: Destination,
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
      return end(destination)
    },
  }
}

/** pino's own files write behind, one write after the other: closed means that the last has ended. */
type Destination = DestinationStream & {
  end?(): void
  once?(event: 'close' | 'error', heard: () => void): unknown
}

function end(destination: Destination): Promise<void> {
  return new Promise((resolve) => {
    if (destination.end === undefined || destination.once === undefined) return resolve()
    destination.once('close', resolve)
    // A disk that is full: nothing more can be written, and nobody waits for it.
    destination.once('error', resolve)
    destination.end()
  })
}

/** `stdout`, or a file that is appended to; its folder is made. */
export const decisionDestination = (target: string): Destination =>
  target === 'stdout'
    ? pino.destination(1)
    : pino.destination({ dest: target, mkdir: true, sync: false })
