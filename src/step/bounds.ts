/** Every bound of the step protocol in one place, with what happens past it in docs/protocol.md. */
import { GuardError } from '../model/errors.ts'

export const PROTOCOL_MAJOR = 1
export const PROTOCOL_MINOR = 1

export type StepBounds = {
  /** Engines attached at once. */
  readonly engines: number
  /** Live rows of one engine; also the highest `Hello.slots`. */
  readonly rows: number
  /** Token entries in one Step; also opened plus closed rows in one Step. */
  readonly entries: number
  /** Bytes of one message in either direction. */
  readonly messageBytes: number
  readonly vocabularyEntries: number
  /** Bytes of all tokens of one vocabulary. */
  readonly vocabularyBytes: number
  /** Prompt and resumed token ids of one opened row. */
  readonly contextTokens: number
  /** Directive messages that may wait for a client that does not read. */
  readonly queuedMessages: number
  readonly queuedBytes: number
}

export const DEFAULT_BOUNDS: StepBounds = {
  engines: 16,
  rows: 1_024,
  entries: 16_384,
  messageBytes: 4 * 1024 * 1024,
  vocabularyEntries: 262_144,
  vocabularyBytes: 32 * 1024 * 1024,
  contextTokens: 1_048_576,
  queuedMessages: 1_024,
  queuedBytes: 8 * 1024 * 1024,
}

/** Positions are below this: no context window is longer, and sums stay exact. */
export const MAX_POSITION = 16_777_216
export const MAX_NAME_BYTES = 256

/** A count that is within its bound, or `overloaded` with the field, the bound and what came. */
export function within(count: number, bound: number, field: string, what: string): void {
  if (count > bound) {
    throw new GuardError('overloaded', `${field}: at most ${bound} ${what}, got ${count}`)
  }
}

/** A number below `bound`, or `step_invalid`. */
export function below(value: number, bound: number, field: string, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0 && value < bound) return value
  throw new GuardError('step_invalid', `${field}: expected ${what} below ${bound}, got ${value}`)
}

/** A text of bounded length, without control characters: it goes into logs and labels. */
export function name(value: string, field: string, maxBytes = MAX_NAME_BYTES): string {
  const bytes = Buffer.byteLength(value)
  if (bytes > maxBytes) {
    throw new GuardError('step_invalid', `${field}: at most ${maxBytes} bytes, got ${bytes}`)
  }
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(value)) {
    throw new GuardError('step_invalid', `${field}: expected no control characters`)
  }
  return value
}

/** A SHA-256 as hex. An empty field is allowed where the protocol gives it a meaning. */
export function digest(value: Uint8Array, field: string, empty: 'empty' | 'required'): string {
  if (value.length === 32 || (value.length === 0 && empty === 'empty')) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  }
  throw new GuardError('step_invalid', `${field}: expected 32 bytes, got ${value.length}`)
}
