/** The sidecar's own log: JSON lines on stderr through pino. Never any text of a request. */
import { pino } from 'pino'
import type { Exchange } from '../proxy/parts.ts'
import type { StepServerEvent } from '../step/grpc.ts'

export type Log = {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
  readonly debug: (fields: object, message: string) => void
}

export function createLog(level: string): Log {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: false }))
}

export function logExchange(log: Log, exchange: Exchange): void {
  const bad = exchange.outcome === 'failed' || exchange.outcome === 'upstream_failed'
  log[bad ? 'warn' : 'debug'](exchange, 'exchange')
}

export function logDoor(log: Log, event: StepServerEvent): void {
  if (!('error' in event)) log.info(event, event.kind)
  else log.warn({ engine: event.engine, error: String(event.error) }, event.kind)
}
