/**
 * The one error type for mistakes that come from outside, and `invariant` for our own.
 *
 * A message names the place, what was wanted and what came. Things that are not mistakes (a rule
 * fires, a verdict is late) are values, never errors.
 */

export type ErrorCode =
  | 'config_invalid'
  | 'policy_invalid'
  | 'vocabulary_invalid'
  | 'program_invalid'
  | 'model_invalid'
  | 'step_invalid'
  | 'protocol_unsupported'
  | 'session_unknown'
  | 'request_invalid'
  | 'request_denied'
  | 'route_closed'
  | 'upstream_failed'
  | 'socket_invalid'
  | 'overloaded'

/** Somebody else's mistake, with a stable code. */
export class GuardError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'GuardError'
    this.code = code
  }

  /** Turns anything that was caught into a GuardError; one that is already passes unchanged. */
  static from(error: unknown, code: ErrorCode): GuardError {
    if (error instanceof GuardError) return error
    return new GuardError(code, error instanceof Error ? error.message : String(error), {
      cause: error,
    })
  }
}

/** Throws a plain Error when something that construction should guarantee does not hold. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${message}`)
}
