/** Error answers in the shape that the client's own library expects: OpenAI's, or Anthropic's. */
import { GuardError } from '../model/errors.ts'
import type { ErrorCode } from '../model/errors.ts'
import type { Dialect } from './routes.ts'

export type Problem = {
  readonly status: number
  readonly message: string
  /** `invalid_request_error`, `upstream_error`, …; by status when absent. */
  readonly type?: string
  readonly code?: string
  /** Which field of the request, as a path. */
  readonly param?: string
  /** Seconds, for 429 and 503. */
  readonly retryAfterS?: number
  /** Methods that the path has, for 405 (RFC 9110, section 15.5.6). */
  readonly allow?: readonly string[]
}

/** A mistake in the request, with the field that it is in. */
export class RequestError extends GuardError {
  readonly problem: Problem

  constructor(problem: Problem) {
    super('request_invalid', problem.message)
    this.problem = problem
  }
}

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  502: 'upstream_error',
  503: 'overloaded_error',
  504: 'upstream_error',
}

/** Codes that can reach a client, with their HTTP status; all others are our mistake: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  request_invalid: 400,
  request_denied: 403,
  route_closed: 404,
  upstream_failed: 502,
  overloaded: 503,
}

export function toProblem(error: unknown): Problem {
  if (error instanceof RequestError) return error.problem
  if (error instanceof GuardError) {
    const status = STATUS[error.code] ?? 500
    return { status, message: error.message, code: error.code }
  }
  return { status: 500, message: 'internal error of the guard', code: 'internal_error' }
}

export function toErrorBody(problem: Problem, dialect?: Dialect): string {
  const type = problem.type ?? TYPES[problem.status] ?? 'server_error'
  const { message } = problem
  if (dialect === 'messages') return JSON.stringify({ type: 'error', error: { type, message } })
  return JSON.stringify({
    error: { message, type, param: problem.param ?? null, code: problem.code ?? null },
  })
}
