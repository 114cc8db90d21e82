/**
 * The log: one JSON line per event on stderr, or a readable line on a terminal. Never text of a
 * request or an answer: what was said belongs to the client, what was decided belongs to the log.
 */
import { pino } from 'pino'
import type { Logger } from 'pino'
import type { GuardEvent } from '../model/event.ts'
import type { GuardError } from '../model/errors.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type Log = Logger

type DoorEvent =
  | { readonly kind: 'attached'; readonly engine: string }
  | { readonly kind: 'unprobed'; readonly engine: string; readonly runner: string }
  | { readonly kind: 'detached'; readonly engine: string }
  | { readonly kind: 'refused'; readonly engine: string; readonly error: GuardError }
  | { readonly kind: 'failed'; readonly engine: string; readonly error: unknown }

const STDERR = 2
/** Refusals told per second; a client that retries wildly must not fill the disk. */
const REFUSALS_PER_SECOND = 5

export function createLog(level: LogLevel, destination = pino.destination(STDERR)): Log {
  return pino(
    {
      level,
      base: { name: 'checkstream' },
      redact: ['headers.authorization', 'headers["x-api-key"]', 'api_key'],
      serializers: { error: pino.stdSerializers.err },
    },
    destination,
  )
}

/** Decisions and policies; rows and tokens come and go at `debug` only. */
export function logEvent(log: Log, event: GuardEvent): void {
  if (event.kind === 'decision') {
    const { requestId, position } = event
    for (const firing of event.firings) log.info({ requestId, position, ...firing }, 'rule fired')
    return
  }
  if (event.kind === 'policy') {
    for (const warning of event.warnings ?? []) log.warn({}, warning)
    if (event.error === undefined) log.info({ revision: event.revision }, 'policy in force')
    else log.error({ error: event.error }, 'policy refused; the one in force stays')
    return
  }
  if (event.kind === 'tenants') {
    if (event.error === undefined) log.info({ tenants: event.tenants }, 'tenants in force')
    else log.error({ error: event.error }, 'tenants refused; those in force stay')
    return
  }
  if (event.kind === 'latched') {
    const { requestId, position, reason } = event
    log.warn({ requestId, position, reason }, 'row fell back to on_failure')
    return
  }
  if (event.kind === 'approval') {
    log.info(event, 'tool call approval')
    return
  }
  if (event.kind === 'tokens') log.trace(event, 'tokens')
  else log.debug(event, event.kind)
}

/** Live scores of a label left the site's calibration, or are back; told once each time. */
export function logDrift(
  log: Log,
  change: {
    readonly model: string
    readonly label: string
    readonly report: { readonly drifted: boolean; readonly shares: readonly unknown[] }
  },
): void {
  const { model, label, report } = change
  if (report.drifted) {
    log.warn({ model, label, shares: report.shares }, 'live scores have left the calibration')
  } else log.info({ model, label }, 'live scores are as calibrated again')
}

/** Streams of engines; refusals are limited, and what was left out is counted in the next line. */
export function createDoorLog(log: Log, now: () => number): (event: DoorEvent) => void {
  let second = -1
  let told = 0
  let quiet = 0
  return (event) => {
    if (event.kind === 'attached' || event.kind === 'detached') {
      log.info({ engine: event.engine }, `engine ${event.kind}`)
      return
    }
    if (event.kind === 'unprobed') {
      const { engine, runner } = event
      log.warn({ engine, runner }, 'engine cannot evaluate the probe: its rules say nothing there')
      return
    }
    const current = Math.floor(now() / 1_000)
    if (current !== second) {
      second = current
      told = 0
    }
    if (++told > REFUSALS_PER_SECOND) {
      quiet++
      return
    }
    const leftOut = quiet === 0 ? {} : { leftOut: quiet }
    quiet = 0
    if (event.kind === 'failed') {
      log.error({ engine: event.engine, error: event.error, ...leftOut }, 'engine stream failed')
      return
    }
    const { code, message } = event.error
    log.warn({ engine: event.engine, code, reason: message, ...leftOut }, 'engine refused')
  }
}
