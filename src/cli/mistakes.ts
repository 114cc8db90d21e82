/** What a failed command says: one line per mistake, and the exit code. */
import { GuardError } from '../model/errors.ts'
import type { ErrorCode } from '../model/errors.ts'

/** Mistakes in what was written or typed: exit code 2. Everything else failed: exit code 1. */
const TYPED: readonly ErrorCode[] = ['config_invalid', 'policy_invalid']

export function toLine(error: unknown): { readonly line: string; readonly code: number } {
  if (error instanceof GuardError) {
    return { line: error.message, code: TYPED.includes(error.code) ? 2 : 1 }
  }
  const code = (error as { code?: unknown } | null)?.code
  const message = error instanceof Error ? error.message : String(error)
  // util.parseArgs: ERR_PARSE_ARGS_UNKNOWN_OPTION and its kin.
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')) {
    return { line: message.split('. ')[0] ?? message, code: 2 }
  }
  return { line: message, code: 1 }
}
